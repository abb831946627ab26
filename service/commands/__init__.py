"""The commands of `palimpsest` that are more than a few lines, one file each."""
