"""What a workflow file may say for `classify`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from schemas.workflow.conflicts import Conflict

if TYPE_CHECKING:
    from schemas.workflow.workflow import Workflow

OWN_KEYS: tuple[str, ...] = ()  # that no other task has


def is_meant(document: dict[str, Any]) -> bool:
    """Whether a workflow that names no task means this one."""
    return False


def conflicts(workflow: "Workflow") -> Iterator[Conflict]:
    """Combinations that cannot work for this task."""
    if workflow.gate.false_rejects.at_most is not None:
        yield Conflict(
            ("gate.false_rejects.at_most", "data.background"),
            "a limit of false rejects, which a threshold decides that nothing chooses",
            "data.background: long recordings without any of the words",
        )
