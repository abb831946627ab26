"""The log for others: live to many readers, and in bulk as files."""
