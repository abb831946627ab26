"""The views that follow the log, and the rebuild of every view."""
