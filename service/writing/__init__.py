"""The write path: requests gather, are decided, and become durable in one call of `append_events`."""
