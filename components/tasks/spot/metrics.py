"""What a keyword spotter is measured by besides its operating point: what a classifier is."""

from components.tasks.classify.metrics import MEASURE

__all__ = ["MEASURE"]
