"""Removes a speaker from everything a run directory holds: what holds them, and its removal."""
