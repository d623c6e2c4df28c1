"""What an exported keyword spotter answers is what a classifier does."""

from components.tasks.classify.serving import (
    activate,
    read_answers,
    respond,
)

__all__ = ["activate", "read_answers", "respond"]
