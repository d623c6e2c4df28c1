"""Asks a pushed model about recordings: `predict` and `explain`."""
