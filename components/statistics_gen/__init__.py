"""The step that has TFDV count what is in the examples."""
