"""What a workflow file may say for `spot`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from components.tasks.classify import config as classify
from schemas.workflow.block import Block
from schemas.workflow.conflicts import Conflict

if TYPE_CHECKING:
    from schemas.workflow.workflow import Workflow

OWN_KEYS = (
    *classify.OWN_KEYS,
    "data.background",
    "gate.false_alarms_per_hour",
    "gate.false_rejects",
)


class FalseRejects(Block):
    """How many words may be missed; labels that begin with `_` are no words."""

    at_most: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Largest share of a word's test clips that is missed at the operating threshold"
        " and still blessed. Labels that begin with `_`, as `_unknown_`, are no words: to answer"
        " them is no alarm.",
    )


class Gate(classify.Gate):
    """When a keyword spotter is blessed; without any rule every one is."""

    false_alarms_per_hour: float = Field(
        1.0,
        gt=0.0,
        description="How many false alarms an hour the threshold may let through, in"
        " data.background.",
    )
    false_rejects: FalseRejects = Field(
        FalseRejects(), description="Share of test clips of words that are missed at it."
    )

    def in_words(self) -> list[str]:
        lines = super().in_words()
        lines.append(f"false alarms at most {self.false_alarms_per_hour:g} an hour")
        if self.false_rejects.at_most is not None:
            lines.append(f"false rejects at most {self.false_rejects.at_most:g}")
        return lines


def is_meant(document: Mapping[str, object]) -> bool:
    """Whether a workflow that names no task means this one: it names recordings without words."""
    data = document.get("data")
    return isinstance(data, dict) and data.get("background") is not None


def conflicts(workflow: "Workflow") -> Iterator[Conflict]:
    """Combinations that cannot work for this task."""
    yield from classify.conflicts(workflow)
    if workflow.data.background is None:
        yield Conflict(
            ("task", "data.background"),
            "no recordings to choose the threshold on",
            "data.background: long recordings without any of the words",
        )
