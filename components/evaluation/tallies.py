"""How often one model answered what on the test split; knows nothing of TFMA."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

LABEL_KEY = "label"


@dataclass(frozen=True)
class Tally:
    """How many of some clips were answered right."""

    right: int
    clips: int

    @property
    def accuracy(self) -> Fraction:
        """Exact share of right answers, so that 19 of 20 is never below 0.95; 0 of no clips."""
        return Fraction(self.right, self.clips) if self.clips else Fraction(0)


@dataclass(frozen=True)
class Results:
    """What one model answered on the test split.

    `answers[true label][class id]` counts clips; `slices[feature][value]` are the tallies of the
    other features. `calibration_error` is over all clips, from 0 to 1.
    """

    answers: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, Tally]] = field(default_factory=dict)
    calibration_error: float = 0.0

    @property
    def clips(self) -> int:
        """All clips of the test split."""
        return sum(sum(row.values()) for row in self.answers.values())

    def tally(self, labels: list[str]) -> Tally:
        """Over all clips; `labels` by class id. A label the model does not know is never right."""
        right = sum(
            self.answers.get(label, {}).get(class_id, 0) for class_id, label in enumerate(labels)
        )
        return Tally(right, self.clips)

    def tallies(self, labels: list[str]) -> dict[str, dict[str, Tally]]:
        """By feature and value, for the label and every other sliced feature."""
        ids = {label: class_id for class_id, label in enumerate(labels)}
        by_label = {
            label: Tally(row.get(ids.get(label, -1), 0), sum(row.values()))
            for label, row in self.answers.items()
        }
        return {LABEL_KEY: by_label, **{name: dict(values) for name, values in self.slices.items()}}
