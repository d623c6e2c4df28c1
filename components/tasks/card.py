"""The part of a task that adds to the model card: what its module has to hold."""

from dataclasses import dataclass
from typing import Protocol, cast

from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict
from schemas.tasks import load_part


@dataclass(frozen=True)
class CardText:
    """A task's paragraphs of the model card, in Markdown; `metrics` are by what they are called."""

    intended_use: str
    metrics: dict[str, str]
    operating_point: str


class Card(Protocol):
    """`card.py`: the task's part of the model card."""

    def card_text(self, card: ModelCard, verdict: Verdict) -> CardText:
        """Paragraphs of the model card."""


def card(task: str) -> Card:
    """The part `card` of a task."""
    return cast(Card, load_part(task, "card"))
