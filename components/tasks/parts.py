"""The parts of a task as the steps that judge use them: what a module of each name has to hold."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from components.evaluation.measures import Measure
from components.evaluation.scores import Array, ModelScores, Numbers, Texts
from schemas.reports.model_card import ModelCard
from schemas.tasks import load_part

if TYPE_CHECKING:
    from components.evaluation.case import Case, Judgement
    from components.evaluation.outlook import Outlook, Unanswered


class Scoring(Protocol):
    """`scoring.py`: what models answered on each clip.

    `ANSWERS` names the kind of answer: models of one kind can be compared. `MEASURE` is the number
    that models are judged by, `OUTPUTS` are what `judge` needs of the signature's.
    """

    MEASURE: Measure
    ANSWERS: str
    OUTPUTS: tuple[str, ...]

    def units(self, targets: Texts) -> Numbers:
        """How many units each target has that errors are counted of: [clips]."""

    def judge(self, targets: Texts, outputs: Mapping[str, Array], card: ModelCard) -> ModelScores:
        """What the model of `card` answered, from what `serving_examples` gave: [clips, ...]."""


class Recordings(Protocol):
    """`recordings.py` of a task whose models are also judged on long recordings."""

    def score_recordings_of(
        self, listed: bytes, saved_model: Path, card: ModelCard, folder: Path
    ) -> None:
        """Writes what the model answers on `listed` (`schemas.background`) into `folder`."""


class Gate(Protocol):
    """`gate.py`: the rules."""

    def faults(self, case: "Case") -> list[str]:
        """Why the numbers of this task cannot be trusted at all."""

    def foresee(self, clips: "Unanswered", settings: str) -> "list[Outlook]":
        """What rules could say of the test clips, before a model has answered them; nothing of
        those that nothing is known of.
        """

    def judge(self, case: "Case", settings: str, *, is_sound: bool) -> "Judgement":
        """What the rules say, by the workflow's `gate` as JSON; none where nothing `is_sound`."""


def scoring(task: str) -> Scoring:
    """The part `scoring` of a task."""
    return cast(Scoring, load_part(task, "scoring"))


def recordings(task: str) -> Recordings:
    """The part `recordings` of a task that has one."""
    return cast(Recordings, load_part(task, "recordings"))


def gate(task: str) -> Gate:
    """The part `gate` of a task."""
    return cast(Gate, load_part(task, "gate"))
