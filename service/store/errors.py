"""What the store raises."""


class StoreUnavailable(Exception):
    """The store did not answer in time; nothing was acknowledged."""
