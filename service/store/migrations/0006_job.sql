-- Work that one process does for all: when it was last begun.
CREATE TABLE job (
    name text PRIMARY KEY,
    begun_at timestamptz NOT NULL
);
