-- What a request with an Idempotency-Key answered, so that a retry is answered alike.
-- Kept for a day at least; removed by the minutely sweep.
CREATE TABLE idempotency_key (
    user_id uuid NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    task_id uuid NOT NULL,
    version bigint NOT NULL,
    status smallint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);

CREATE INDEX idempotency_key_created_at_idx ON idempotency_key USING brin (created_at);
