"""What the store raises."""

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,
    errors.InsufficientPrivilege,
    PoolTimeout,
    OSError,
)
"""What a store raises that cannot be reached, or that cannot record at the moment: no fault of the request."""


class StoreUnavailable(Exception):
    """The store did not answer in time, or cannot record changes; nothing was acknowledged."""
