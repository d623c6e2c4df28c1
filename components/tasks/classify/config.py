"""What a workflow file may say for `classify`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from schemas.workflow import gate
from schemas.workflow.block import Text
from schemas.workflow.conflicts import Conflict

if TYPE_CHECKING:
    from schemas.workflow.workflow import Workflow

OWN_KEYS: tuple[str, ...] = (
    "data.labels",
    "data_gate.min_clips_per_class",
    "data_gate.min_speakers_per_class",
    "gate.accuracy",
)


class Threshold(gate.Limit):
    """What one metric has to reach on the test split."""

    slices: list[Text] = Field(
        [],
        description="`at_least` also holds for every value of these: speaker, label, snr, duration,"
        " truncated, or a key of the manifest.",
    )


class Gate(gate.Gate):
    """When a model is blessed; without any rule every model is."""

    accuracy: Threshold = Field(Threshold(), description="Share of test clips labelled right.")

    def slices(self) -> dict[str, list[str]]:
        return {"gate.accuracy.slices": self.accuracy.slices}

    def in_words(self) -> list[str]:
        rule, lines = self.accuracy, []
        if rule.at_least is not None:
            where = f", also for every {' and '.join(rule.slices)}" if rule.slices else ""
            lines.append(f"accuracy at least {rule.at_least:g}{where}")
        if rule.no_worse_by_more_than is not None:
            lines.append(f"no worse than the last by more than {rule.no_worse_by_more_than:g}")
        return [*lines, *super().in_words()]


def is_meant(document: Mapping[str, object]) -> bool:
    """Whether a workflow that names no task means this one."""
    return False


def conflicts(workflow: "Workflow") -> Iterator[Conflict]:
    """Combinations that cannot work for this task."""
    settings = workflow.gate
    assert isinstance(settings, Gate)
    if settings.accuracy.slices and settings.accuracy.at_least is None:
        yield Conflict(
            ("gate.accuracy.slices",),
            "slices without a threshold",
            "gate.accuracy.at_least beside them",
        )
