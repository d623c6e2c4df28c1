"""Decides when a workflow trains again, and does so on time."""
