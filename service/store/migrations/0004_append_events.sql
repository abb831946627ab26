-- The one way into the log: a batch of many tasks' events, their view rows and idempotency rows, in one call.
--
-- Writers take the advisory lock first, so that positions are given out in the order of commits and a reader
-- needs only one number to resume from. A task that is not at its expected version any more, or one of whose
-- idempotency keys is taken, is left out and returned; all others are recorded. One call commits whether or
-- not its client still listens, so that no stalled client can hold the lock.
--
-- task_ids, expected: the tasks of the batch and the versions on which their events build (0: none yet).
-- events: [{task, version, topic, state, digest}] in the order to be recorded.
-- created, changed: rows of current_task, new ones and others, times in microseconds since 1970. A changed row holds
-- the key, what changed, and what can be null: a long text is neither sent nor written again.
-- keys: [{user_id, key, request_hash, task_id, version, status}].
-- Any of the JSON arguments may be null.
CREATE FUNCTION append_events(
    task_ids uuid[], expected bigint[], events json, created json, changed json, keys json
) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    losers uuid[];
BEGIN
    PERFORM pg_advisory_xact_lock(7018115364);

    losers := ARRAY(
        SELECT batch.id
        FROM unnest(task_ids, append_events.expected) AS batch (id, expected)
        LEFT JOIN current_task USING (id)
        WHERE coalesce(current_task.version, 0) <> batch.expected
    );
    IF keys IS NOT NULL THEN
        losers := losers || ARRAY(
            SELECT k.task_id
            FROM json_to_recordset(keys) AS k (user_id uuid, key text, task_id uuid)
            JOIN idempotency_key USING (user_id, key)
        );
    END IF;

    IF events IS NOT NULL THEN
        INSERT INTO draft_events (originator_id, originator_version, topic, state, digest)
        SELECT e.task, e.version, e.topic, convert_to(e.state, 'UTF8'), decode(e.digest, 'hex')
        FROM json_to_recordset(events) AS e (task uuid, version bigint, topic text, state text, digest text)
        WHERE e.task <> ALL (losers);
        PERFORM pg_notify('draft_events', '');
    END IF;

    IF changed IS NOT NULL THEN
        UPDATE current_task SET
            title = coalesce(v.title, current_task.title),
            description = coalesce(v.description, current_task.description),
            category = coalesce(v.category, current_task.category),
            task_type = coalesce(v.task_type, current_task.task_type),
            requirements = coalesce(v.requirements, current_task.requirements),
            budget_usd = coalesce(v.budget_usd, current_task.budget_usd),
            compute_budget = v.compute_budget,
            status = coalesce(v.status, current_task.status),
            experimentation = coalesce(v.experimentation, current_task.experimentation),
            expires_at = coalesce(
                timestamptz 'epoch' + v.expires_at * interval '1 microsecond', current_task.expires_at
            ),
            attachments = coalesce(v.attachments, current_task.attachments),
            brand_kit_id = v.brand_kit_id,
            prototype_tier = v.prototype_tier,
            transcript = coalesce(v.transcript, current_task.transcript),
            ttl_seconds = coalesce(v.ttl_seconds, current_task.ttl_seconds),
            version = v.version,
            updated_at = timestamptz 'epoch' + v.updated_at * interval '1 microsecond',
            digest = decode(v.digest, 'hex'),
            sweep_at = CASE WHEN coalesce(v.status, current_task.status) = 'draft' THEN coalesce(
                current_task.sweep_at, timestamptz 'epoch' + v.expires_at * interval '1 microsecond'
            ) END
        FROM json_to_recordset(changed) AS v (
            id uuid, user_id uuid, title text, description text, category text, task_type text,
            requirements json, budget_usd double precision, compute_budget double precision, status text,
            experimentation double precision, created_at bigint, expires_at bigint, attachments text[],
            brand_kit_id uuid, prototype_tier integer, transcript text, ttl_seconds bigint, version bigint,
            updated_at bigint, digest text
        )
        WHERE current_task.id = v.id AND v.id <> ALL (losers);
    END IF;

    IF created IS NOT NULL THEN
        INSERT INTO current_task (
            id, user_id, title, description, category, task_type, requirements, budget_usd, compute_budget,
            status, experimentation, created_at, expires_at, attachments, brand_kit_id, prototype_tier,
            transcript, ttl_seconds, version, updated_at, digest, sweep_at
        )
        SELECT
            id, user_id, title, description, category, task_type, requirements, budget_usd, compute_budget,
            status, experimentation,
            timestamptz 'epoch' + created_at * interval '1 microsecond',
            timestamptz 'epoch' + expires_at * interval '1 microsecond',
            attachments, brand_kit_id, prototype_tier, transcript, ttl_seconds, version,
            timestamptz 'epoch' + updated_at * interval '1 microsecond',
            decode(digest, 'hex'),
            CASE WHEN status = 'draft' THEN timestamptz 'epoch' + expires_at * interval '1 microsecond' END
        FROM json_to_recordset(created) AS v (
            id uuid, user_id uuid, title text, description text, category text, task_type text,
            requirements json, budget_usd double precision, compute_budget double precision, status text,
            experimentation double precision, created_at bigint, expires_at bigint, attachments text[],
            brand_kit_id uuid, prototype_tier integer, transcript text, ttl_seconds bigint, version bigint,
            updated_at bigint, digest text
        )
        WHERE v.id <> ALL (losers);
    END IF;

    IF keys IS NOT NULL THEN
        INSERT INTO idempotency_key (user_id, key, request_hash, task_id, version, status, created_at)
        SELECT k.user_id, k.key, decode(k.request_hash, 'hex'), k.task_id, k.version, k.status, now()
        FROM json_to_recordset(keys) AS k (
            user_id uuid, key text, request_hash text, task_id uuid, version bigint, status smallint
        )
        WHERE k.task_id <> ALL (losers);
    END IF;

    RETURN losers;
END
$$;
