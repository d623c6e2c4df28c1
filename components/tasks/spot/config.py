"""What a workflow file may say for `spot`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from schemas.workflow.conflicts import Conflict

if TYPE_CHECKING:
    from schemas.workflow.workflow import Workflow

OWN_KEYS = ("data.background", "gate.false_alarms_per_hour", "gate.false_rejects")


def is_meant(document: dict[str, Any]) -> bool:
    """Whether a workflow that names no task means this one: it names recordings without words."""
    data = document.get("data")
    return isinstance(data, dict) and data.get("background") is not None


def conflicts(workflow: "Workflow") -> Iterator[Conflict]:
    """Combinations that cannot work for this task."""
    if workflow.data.background is None:
        yield Conflict(
            ("task", "data.background"),
            "no recordings to choose the threshold on",
            "data.background: long recordings without any of the words",
        )
