"""What proves that nobody rewrote the log: the check of a task, of all tasks, and signed checkpoints."""
