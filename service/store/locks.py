"""The numbers of all advisory locks: no two purposes share one. SQL functions name `APPEND` and `CONTENTION`."""

APPEND = 7018115364
"""Held by `append_events` until its commit: gives out positions in the order of commits."""

MIGRATE = 7018115365
"""Held by the process that brings the schema up to date."""

LEAD = 7018115366
"""Held by the projector that leads."""

REBUILD = 7018115367
"""Held by the process that rebuilds a view."""

CONTENTION = 7018115400
"""Held in turn by writers that meet on the same tasks (`acquire_contention`)."""
