"""One label for a whole clip."""
