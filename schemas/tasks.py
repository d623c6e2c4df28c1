"""The tasks by name, each loaded part by part when it is needed.

A package of others adds a task with an entry point of the group `auricle.tasks`: its name, and the
package that holds the parts.
"""

import functools
import importlib
import importlib.metadata
from collections.abc import Mapping
from types import ModuleType
from typing import Literal

from schemas.errors import InputError
from schemas.text import nearest

TASKS = {
    "classify": "components.tasks.classify",
    "spot": "components.tasks.spot",
}
FIRST_TASK = next(iter(TASKS))  # of what was stored before tasks had names
ENTRY_POINTS = "auricle.tasks"

Part = Literal[
    "config",
    "targets",
    "features",
    "model",
    "serving",
    "scoring",
    "recordings",
    "details",
    "gate",
    "report",
    "card",
]


def is_task(name: str) -> bool:
    """Whether a workflow may name it; asks for installed packages only where it is not ours."""
    return name in TASKS or name in _entry_points()


def task_names() -> list[str]:
    """All tasks that can be named in a workflow."""
    return sorted({*TASKS, *_entry_points()})


def task_package(name: str) -> str:
    """The package that holds the parts of a task.

    Raises:
        InputError: there is no such task.
    """
    package = TASKS.get(name) or _entry_points().get(name)
    if package is None:
        names = task_names()
        raise InputError(
            f"task: got {name!r}, expected one of {', '.join(names)};"
            f" nearest name: {nearest(name, names)!r}"
        )
    return package


def load_part(name: str, part: Part) -> ModuleType:
    """One part of a task; imports nothing of its other parts.

    Raises:
        InputError: there is no such task, or its package lacks the part.
    """
    module = f"{task_package(name)}.{part}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not module.startswith(error.name or " "):
            raise
        raise InputError(f"task {name!r}: its package has no module {error.name}") from error


def meant_task(document: Mapping[str, object]) -> str:
    """The task that a workflow means which names none, or was written before tasks had names."""
    return next(
        (name for name in TASKS if load_part(name, "config").is_meant(document)), FIRST_TASK
    )


def bring_up_to_date(stored: dict[str, object]) -> dict[str, object]:
    """A workflow as a program wrote it: where it names no task or the first one, with the task that
    it means, and without rules that this task's gate no longer has.
    """
    if stored.get("task", FIRST_TASK) != FIRST_TASK:
        return stored
    task = meant_task(stored)
    foreign = foreign_keys(task)
    gate = stored.get("gate")
    rules = gate if isinstance(gate, dict) else {}
    gate = {key: rule for key, rule in rules.items() if f"gate.{key}" not in foreign}
    return stored | {"task": task, "gate": gate}


def own_keys(name: str) -> tuple[str, ...]:
    """Dotted keys of the workflow, or of blocks in it, that a task has and others need not have."""
    keys: tuple[str, ...] = load_part(name, "config").OWN_KEYS
    return keys


def foreign_keys(name: str) -> dict[str, str]:
    """Keys that other tasks have and this one has not, each with such a task."""
    own = own_keys(name)
    return {key: other for other in task_names() for key in own_keys(other) if key not in own}


@functools.cache
def _entry_points() -> dict[str, str]:
    found = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {entry.name: entry.value for entry in found}
