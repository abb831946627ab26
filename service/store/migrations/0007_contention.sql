-- The lock that writers hold in turn while they meet on the same tasks (service/writing/contention.py). A session holds
-- it until it releases it or ends. It orders and protects nothing: append_events does.
CREATE FUNCTION acquire_contention() RETURNS boolean LANGUAGE plpgsql SET lock_timeout = '100ms' AS $$
BEGIN
    PERFORM pg_advisory_lock(7018115400);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$$;

CREATE FUNCTION release_contention() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_unlock_all()';
