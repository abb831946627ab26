-- The one way into the log: a batch of many tasks' events, their view rows and idempotency rows, in one call.
--
-- Writers take the advisory lock first, so that positions are given out in the order of commits and a reader
-- needs only one number to resume from. A task that is not at its expected version any more, or one of whose
-- idempotency keys is taken, is left out and returned; all others are recorded. One call commits whether or
-- not its client still listens, so that no stalled client can hold the lock.
--
-- task_ids, expected: the tasks of the batch and the versions on which their events build (0: none yet).
-- events: [{task, version, topic, state, digest}] in the order to be recorded, digests in hex.
-- created, changed: rows of current_task by its column names, new ones and others. A changed row holds the key, what
-- changed, and what can be null: a long text is neither sent nor written again.
-- keys: [{user_id, key, request_hash, task_id, version, status}], hashes in hex.
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
        UPDATE current_task AS t SET
            title = coalesce(v.title, t.title),
            description = coalesce(v.description, t.description),
            category = coalesce(v.category, t.category),
            task_type = coalesce(v.task_type, t.task_type),
            requirements = coalesce(v.requirements, t.requirements),
            budget_usd = coalesce(v.budget_usd, t.budget_usd),
            compute_budget = v.compute_budget,
            status = coalesce(v.status, t.status),
            experimentation = coalesce(v.experimentation, t.experimentation),
            expires_at = v.expires_at,
            attachments = coalesce(v.attachments, t.attachments),
            brand_kit_id = v.brand_kit_id,
            prototype_tier = v.prototype_tier,
            transcript = coalesce(v.transcript, t.transcript),
            ttl_seconds = coalesce(v.ttl_seconds, t.ttl_seconds),
            version = v.version,
            updated_at = v.updated_at,
            digest = v.digest,
            sweep_at = CASE WHEN coalesce(v.status, t.status) = 'draft' THEN coalesce(t.sweep_at, v.expires_at) END
        FROM json_populate_recordset(NULL::current_task, changed) AS v
        WHERE t.id = v.id AND v.id <> ALL (losers);
    END IF;

    IF created IS NOT NULL THEN
        INSERT INTO current_task
        SELECT v.* FROM json_populate_recordset(NULL::current_task, created) AS v
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
