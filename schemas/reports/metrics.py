"""Numbers about a model, with their intervals."""

from schemas.document import Document


class ClassMetrics(Document):
    """One class on the test split; None where it has no clips or was never answered."""

    precision: float | None
    recall: float | None
    clips: int


class Interval(Document):
    """Where a number lies with the confidence that the document states."""

    low: float
    high: float

    @classmethod
    def of(cls, bounds: tuple[float, float]) -> "Interval":
        """From both ends, the lower one first."""
        return cls(low=bounds[0], high=bounds[1])


class SliceMetrics(Document):
    """One slice of the test split, e.g. feature `speaker`, value `theo`.

    `is_small`: too few clips to judge. `difference` is accuracy less the last blessed model's on
    the same clips.
    """

    feature: str
    value: str
    accuracy: float
    interval: Interval
    clips: int
    is_small: bool
    difference: float | None
