-- Views that follow the log (service/views/projector.py), each with its tables in the schema of its name.
CREATE TABLE followed_view (
    name text PRIMARY KEY,
    position bigint NOT NULL DEFAULT 0,
    failure text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN followed_view.position IS 'The view is the fold of all events up to here; moves with its rows.';
COMMENT ON COLUMN followed_view.failure IS 'The error that stopped the view at this position; null while it follows.';

-- moment: from a time to a position. `latest` is the latest occurred_at up to the end of a block of 1,024
-- positions, so that it never falls, whatever the clocks of the writers did.
CREATE SCHEMA moment;
CREATE TABLE moment.block (
    block bigint PRIMARY KEY,
    latest timestamptz NOT NULL
);
CREATE INDEX ON moment.block (latest, block);
INSERT INTO followed_view (name) VALUES ('moment');

-- statistics: what analysts ask most (definitions in docs/analytics.md). No text is in it.
CREATE SCHEMA statistics;
CREATE TABLE statistics.draft (
    task_id uuid PRIMARY KEY,
    created_at timestamptz NOT NULL,
    published_at timestamptz,
    edits integer NOT NULL,
    last_edit_at timestamptz,
    last_field text NOT NULL,
    description_length integer NOT NULL,
    transcript_length integer NOT NULL,
    has_category boolean NOT NULL,
    has_task_type boolean NOT NULL,
    has_budget boolean NOT NULL,
    typed boolean NOT NULL,
    publishable boolean NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX ON statistics.draft (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE statistics.day (
    day date PRIMARY KEY,
    created bigint NOT NULL,
    published bigint NOT NULL,
    published_at_once bigint NOT NULL,
    discarded bigint NOT NULL,
    expired bigint NOT NULL,
    edits bigint NOT NULL,
    -- Of the drafts created on this day, until now:
    their_edits bigint NOT NULL,
    typed bigint NOT NULL,
    publishable bigint NOT NULL,
    became_open bigint NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE statistics.left_at (
    day date NOT NULL,
    field text NOT NULL,
    drafts bigint NOT NULL,
    PRIMARY KEY (day, field)
) WITH (fillfactor = 70);

COMMENT ON TABLE statistics.draft IS 'One row a draft: what the fold has to remember of it.';
COMMENT ON TABLE statistics.day IS 'One row a day (UTC) on which something happened.';
COMMENT ON TABLE statistics.left_at IS 'Drafts that are not published, by the day and the field of their last edit.';
INSERT INTO followed_view (name) VALUES ('statistics');
