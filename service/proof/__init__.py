"""What proves that the log was not rewritten: the check of a task, of all tasks, and signed checkpoints."""
