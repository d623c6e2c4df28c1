"""What a keyword spotter answered on each clip: what a classifier does."""

from components.tasks.classify.scoring import ANSWERS, MEASURE, OUTPUTS, judge, units

__all__ = ["ANSWERS", "MEASURE", "OUTPUTS", "judge", "units"]
