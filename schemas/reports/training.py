"""How training went."""

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from schemas.document import Document
from schemas.reports.metrics import Interval
from schemas.reports.rule import Explained

HISTORY_FILE = "history.json"


class Epoch(Document):
    """One epoch of training; a history file is a list of these.

    `value` and `val_value` are the task's metric on the clips trained on and on the eval split;
    there is no such split where a data set is divided into folds.
    """

    epoch: int
    loss: float
    metric: str
    value: float
    val_loss: float | None
    val_value: float | None
    learning_rate: float
    seconds: float

    @model_validator(mode="before")
    @classmethod
    def _bring_up_to_date(cls, stored: object) -> object:
        """An epoch written before tasks had metrics of their own."""
        return _named_metric(stored, {"accuracy": "value", "val_accuracy": "val_value"})


class Trial(Document):
    """How the model trained from the champion and the one from scratch answered the eval clips:
    the task's metric of each.

    `difference` is the first one's less the second one's, on the same clips.
    """

    clips: int
    metric: str
    champion: float
    scratch: float
    difference: float
    difference_interval: Interval
    confidence: float

    @model_validator(mode="before")
    @classmethod
    def _bring_up_to_date(cls, stored: object) -> object:
        """A trial written before tasks had metrics of their own."""
        renamed = {"champion_accuracy": "champion", "scratch_accuracy": "scratch"}
        return _named_metric(stored, renamed)


class Start(Explained):
    """The weights that a training began with, and why these, in words.

    `champion` is the SHA-256 of the model they were taken from, by which a version's manifest and
    the ledger know it too. `trial` is there where both were trained.
    """

    weights: Literal["scratch", "champion"]
    champion: str | None = None
    trial: Trial | None = None


def _named_metric(stored: object, renamed: Mapping[str, str]) -> object:
    """`stored` with the accuracy of before as the metric of that name."""
    if not isinstance(stored, dict) or not renamed.keys() <= stored.keys():
        return stored
    kept = {renamed.get(key, key): value for key, value in stored.items()}
    return {**kept, "metric": "accuracy"}
