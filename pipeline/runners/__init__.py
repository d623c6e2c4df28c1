"""Runs a workflow on this machine, or compiles it for Vertex AI.

Only here are components executed."""
