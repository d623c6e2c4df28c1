"""Auricle's command line and everything it calls, in rooms; `docs/architecture.md` is the map."""
