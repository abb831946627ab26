-- The log as analysts read it: the stored arrays spelled out as in the envelope of docs/api.md.
-- A state is [schema, microseconds, actor, request id, cause, payload]; an actor is "system" or the 16 bytes
-- of a uuid in base64url.
CREATE FUNCTION event_data(topic text, payload jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE topic
        WHEN 'DraftFieldChanged' THEN
            CASE WHEN jsonb_typeof(payload -> 1) = 'array'
                THEN jsonb_build_object('field', payload -> 0, 'edit', jsonb_build_object(
                    'at', payload -> 1 -> 0, 'cut', payload -> 1 -> 1, 'insert', payload -> 1 -> 2))
                ELSE jsonb_build_object('field', payload -> 0, 'value', coalesce(payload -> 2, 'null'))
            END
        WHEN 'TranscriptChanged' THEN jsonb_build_object('edit', jsonb_build_object(
            'at', payload -> 0 -> 0, 'cut', payload -> 0 -> 1, 'insert', payload -> 0 -> 2))
        WHEN 'AttachmentAdded' THEN jsonb_build_object('reference', payload -> 0)
        WHEN 'AttachmentRemoved' THEN jsonb_build_object('reference', payload -> 0)
        WHEN 'DraftCreated' THEN
            CASE WHEN jsonb_typeof(payload -> 1) = 'array'
                THEN jsonb_build_object('ttl_seconds', payload -> 0, 'copied_from', jsonb_build_object(
                    'task_id', payload -> 1 -> 0, 'version', payload -> 1 -> 1))
                ELSE jsonb_build_object('ttl_seconds', payload -> 0)
            END
        WHEN 'DraftRestored' THEN jsonb_build_object('ttl_seconds', payload -> 0)
        WHEN 'DraftPublished' THEN jsonb_build_object('compute_budget', coalesce(payload -> 0, 'null'))
        ELSE '{}'
    END
$$;

CREATE FUNCTION event_actor(stored text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE stored WHEN 'system' THEN stored
        ELSE encode(decode(translate(stored, '-_', '+/') || '==', 'base64'), 'hex')::uuid::text END
$$;

CREATE VIEW event_stream AS
SELECT
    notification_id AS position,
    originator_id AS task_id,
    originator_version AS version,
    topic AS type,
    from_microseconds((state ->> 1)::bigint) AS occurred_at,
    event_actor(state ->> 2) AS actor,
    state ->> 4 AS cause,
    event_data(topic, state -> 5) AS data
FROM (
    SELECT notification_id, originator_id, originator_version, topic, convert_from(state, 'UTF8')::jsonb AS state
    FROM draft_events
) AS log;

COMMENT ON VIEW event_stream IS 'The log for SQL: one row an event, data as in the envelope of the HTTP API.';
