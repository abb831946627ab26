"""The command `palimpsest`, one file a command."""
