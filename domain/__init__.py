"""What happened to a draft and what may happen to it. Pure: no clock, no I/O, nothing of ours imported."""
