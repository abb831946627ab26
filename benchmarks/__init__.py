"""Palimpsest and its peers, measured side by side. Start with README.md."""
