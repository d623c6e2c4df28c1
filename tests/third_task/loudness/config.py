"""What a workflow file may say for `loudness`: nothing of its own."""

from collections.abc import Iterator
from typing import Any

from schemas.workflow.conflicts import Conflict

OWN_KEYS: tuple[str, ...] = ()


def is_meant(document: dict[str, Any]) -> bool:
    return False


def conflicts(workflow: Any) -> Iterator[Conflict]:
    yield from ()
