"""Whether a model is blessed, and why."""

from typing import Annotated, ClassVar, Protocol

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from schemas.document import Document
from schemas.outcomes import RuleOutcome, VerdictOutcome
from schemas.reports.metrics import ConditionMetrics, Headline, Interval, SliceMetrics
from schemas.reports.model_card import ModelCard
from schemas.reports.rule import Explained
from schemas.tasks import TASKS, load_part

VERDICT_FILE = "verdict.json"


class GateRule(Explained):
    """What one rule of ModelGate found: in words, how many more clips would decide, and which clips
    to listen to, by id.
    """

    name: str
    outcome: RuleOutcome
    more_clips: int | None = None
    clips: list[str] = Field([])


class TaskDetails(Document):
    """What a verdict holds of its task alone; each task has a type of its own, told by `task`.

    `target_feature` is the feature of slices that repeats the target, where targets form groups.
    """

    target_feature: ClassVar[str | None] = None

    task: str

    def complete_card(self, card: ModelCard) -> ModelCard:
        """The card of a published model, with what its evaluation chose."""
        return card


def _details_of_task(details: object) -> object:
    """A stored document in the type of the task that it names.

    Raises:
        InputError: there is no such task.
    """
    if not isinstance(details, dict) or "task" not in details:
        return details
    return load_part(details["task"], "details").Details.model_validate(details)


class Verdict(Document):
    """What ModelGate decided, on what, and why in words.

    Intervals have `confidence`. `baseline` is the headline number of the last blessed model, and
    `difference` the headline's less that one's on the clips whose target both know; `incomparable`
    says why there is none although there is such a model. `conditions` are what test clips were
    also heard under. `unsliced` are features with too many
    values, and how many. `limits` are the rules of the gate in words. `judged_by` is a digest of
    the test clips' ids, `judged_before` how many verdicts they gave before, and `gate_change` how
    the gate was changed since. `folds` is how many models were asked, where the data is
    cross-validated. `is_pushed_undecided`: an undecided model is published all the same.
    """

    outcome: VerdictOutcome
    reasons: list[str]
    rules: list[GateRule]
    confidence: float
    clips: int
    headline: Headline
    baseline: float | None
    difference: float | None
    difference_interval: Interval | None
    incomparable: str = ""
    metrics: dict[str, float]
    slices: list[SliceMetrics]
    unsliced: dict[str, int]
    conditions: list[ConditionMetrics] = Field([])
    limits: list[str] = Field([])
    judged_by: str = ""
    judged_before: int = 0
    gate_change: str = ""
    folds: int = 0
    is_pushed_undecided: bool = False
    generated: bool
    details: Annotated[SerializeAsAny[TaskDetails], BeforeValidator(_details_of_task)]

    @property
    def task(self) -> str:
        """The task of the model."""
        return self.details.task

    @property
    def allows_push(self) -> bool:
        """Whether the model may be published."""
        is_undecided = self.outcome == "undecided"
        return self.outcome == "blessed" or (is_undecided and self.is_pushed_undecided)

    @property
    def remarks(self) -> list[str]:
        """What a reader has to know to believe the outcome as much as it deserves."""
        found = []
        if self.outcome == "undecided" and self.is_pushed_undecided:
            found.append("published although it is undecided: gate.when_undecided is push")
        if self.gate_change:
            found.append(self.gate_change)
        if self.judged_before:
            times = f"{self.judged_before:,} time" + ("" if self.judged_before == 1 else "s")
            found.append(f"these test clips have judged {times} before")
        return found

    @model_validator(mode="before")
    @classmethod
    def _bring_up_to_date(cls, stored: object) -> object:
        """A verdict written before tasks had names, as the task that knows it reads it."""
        if not isinstance(stored, dict) or "details" in stored:
            return stored
        read = (load_part(task, "details").bring_up_to_date(stored) for task in TASKS)
        return next((verdict for verdict in read if verdict is not None), stored)


class Readable(Protocol):
    """A file, wherever it lies."""

    def read(self) -> bytes:
        """Its content."""


def read_verdict(file: Readable) -> Verdict:
    """The verdict in a file, also one that an earlier version wrote.

    Raises:
        OSError: it is not there.
        pydantic.ValidationError: it holds something else.
    """
    return Verdict.model_validate_json(file.read())
