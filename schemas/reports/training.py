"""How training went."""

from typing import Literal

from schemas.document import Document
from schemas.reports.metrics import Interval

HISTORY_FILE = "history.json"


class Epoch(Document):
    """One epoch of training; a history file is a list of these."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


class Trial(Document):
    """How the model trained from the champion and the one from scratch answered the eval clips.

    `difference` is the first one's accuracy less the second one's, on the same clips.
    """

    clips: int
    champion_accuracy: float
    scratch_accuracy: float
    difference: float
    difference_interval: Interval
    confidence: float


class Start(Document):
    """The weights that a training began with, and why these, in words.

    `champion` is the SHA-256 of the model they were taken from, by which a version's manifest and
    the ledger know it too. `trial` is there where both were trained.
    """

    weights: Literal["scratch", "champion"]
    said: str
    champion: str | None = None
    trial: Trial | None = None
