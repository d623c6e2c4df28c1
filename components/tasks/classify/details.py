"""What a verdict on a classifier holds besides the headline: its classes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from components.tasks.classify.features import GROUPED_BY
from schemas.document import Document
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import TaskDetails

MACRO_F1 = "macro_f1"
CALIBRATION_ERROR = "calibration_error"
_RENAMED = {"baseline_accuracy": "baseline"}
_METRICS = (MACRO_F1, CALIBRATION_ERROR)
_DETAILS = ("classes", "confusion", "labels")


class ClassMetrics(Document):
    """One class on the test split; None where it has no clips or was never answered."""

    precision: float | None
    recall: float | None
    clips: int


class ClassDetails(TaskDetails):
    """`confusion` is [true class, answered class], both in the order of `labels`."""

    target_feature: ClassVar[str | None] = GROUPED_BY

    classes: dict[str, ClassMetrics]
    confusion: list[list[int]]
    labels: list[str]


class Details(ClassDetails):
    """`none_below` is the score below which an answer is taken for none of the labels; None of too
    few clips.
    """

    task: Literal["classify"] = "classify"
    none_below: float | None = None

    def complete_card(self, card: ModelCard) -> ModelCard:
        """With the score below which nothing was said."""
        return card.model_copy(update={"none_below": self.none_below})


def bring_up_to_date(stored: Mapping[str, object]) -> dict[str, object] | None:
    """A verdict of before tasks had names, as it is written now; None where it is another task's.

    Another task's has `keywords`.
    """
    if stored.get("keywords") is not None or "accuracy" not in stored:
        return None
    return moved(stored, Details.model_fields["task"].default)


def moved(stored: Mapping[str, object], task: str, **details: object) -> dict[str, object]:
    """The numbers of an old verdict where they are now, but `keywords`, and more `details`."""
    old = {key: value for key, value in stored.items() if key != "keywords"}
    headline = {
        "name": "accuracy",
        "value": old.pop("accuracy"),
        "interval": old.pop("accuracy_interval"),
        "unit": "",
        "higher_is_better": True,
    }
    metrics = {name: old.pop(name) for name in _METRICS if name in old}
    details = {name: old.pop(name) for name in _DETAILS if name in old} | details
    for before, now in _RENAMED.items():
        if before in old:
            old[now] = old.pop(before)
    return {**old, "headline": headline, "metrics": metrics, "details": {"task": task, **details}}
