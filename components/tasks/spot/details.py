"""What a verdict on a keyword spotter holds: that of a classifier, and its operating point."""

from collections.abc import Mapping
from typing import Literal

from components.tasks.classify.details import ClassDetails, moved
from schemas.document import Document
from schemas.reports.metrics import Interval
from schemas.reports.model_card import ModelCard


class OperatingPoint(Document):
    """The threshold from which an answer counts as heard, and what it does.

    Chosen on `choose_hours` of the background so that at most `allowed_per_hour` false alarms are
    left there; `false_alarms` are those in the other `hours`. `false_rejects` is the share of
    `clips`, the test clips of words, that are missed. `left_out` are recordings not heard, and why.
    """

    threshold: float
    allowed_per_hour: float
    choose_hours: float
    hours: float
    false_alarms: int
    false_alarms_per_hour: float
    false_alarms_interval: Interval
    clips: int
    false_rejects: float
    false_rejects_interval: Interval
    left_out: dict[str, str]


class Details(ClassDetails):
    """`keywords` is None where the scores cannot be trusted at all."""

    task: Literal["spot"] = "spot"
    keywords: OperatingPoint | None

    def complete_card(self, card: ModelCard) -> ModelCard:
        """With the operating threshold, where one was chosen."""
        if self.keywords is None:
            return card
        return card.model_copy(update={"threshold": self.keywords.threshold})


def bring_up_to_date(stored: Mapping[str, object]) -> dict[str, object] | None:
    """A verdict of before tasks had names, as it is written now; None where it is another task's.

    A spotter whose scores could not be trusted had no `keywords`: it is read as a classifier.
    """
    if (keywords := stored.get("keywords")) is None:
        return None
    return moved(stored, Details.model_fields["task"].default, keywords=keywords)
