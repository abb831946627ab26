-- The turns of processes that write the same tasks (service/writing/contention.py). A turn is held by a session until it gives it
-- away or ends. It orders nothing and protects nothing: that is what append_events does.
CREATE FUNCTION take_turn() RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
    PERFORM pg_advisory_lock(7018115400);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

CREATE FUNCTION give_turn() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()';
