"""What there is to judge a model by, and what a task's gate found."""

from dataclasses import dataclass
from pathlib import Path

from components.evaluation.measures import Measure
from components.evaluation.scores import Chosen, ClipScores
from components.evaluation.tallies import Tallies, Tally, overall
from schemas.reports.verdict import GateRule, TaskDetails


@dataclass(frozen=True)
class Case:
    """A candidate on the counted clips of the test split.

    `tallies` are TFMA's, by feature and value. `folder` holds what the task's `scoring` measured
    besides the table of scores.
    """

    measure: Measure
    confidence: float
    scores: ClipScores
    tallies: Tallies
    folder: Path

    @property
    def tally(self) -> Tally:
        """Over all clips."""
        return overall(self.tallies)

    def interval(self, tally: Tally, chosen: Chosen, confidence: float) -> tuple[float, float]:
        """Where the measure of the `chosen` clips lies, whose tally is `tally`."""
        return self.measure.interval(tally, self.scores.sample(chosen), confidence)

    def is_value(self, feature: str, value: str) -> Chosen:
        """Of which clips the feature has this value."""
        chosen: Chosen = self.scores.features[feature] == value
        return chosen


@dataclass(frozen=True)
class Judgement:
    """What a task's gate found: its rules, metrics by name, and what only this task's verdicts
    hold.
    """

    rules: list[GateRule]
    metrics: dict[str, float]
    details: TaskDetails
