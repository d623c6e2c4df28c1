"""Asks a published model about recordings: `predict` and `explain`."""
