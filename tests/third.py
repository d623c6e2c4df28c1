"""The task `loudness` of `tests/third_task`, found as that of any package that is installed."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import tasks

FOLDER = Path(__file__).parent / "third_task"
TASK = "loudness"


def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a fixture does that needs it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    importlib.invalidate_caches()
    tasks._entry_points.cache_clear()
    yield
    tasks._entry_points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == TASK]:
        del sys.modules[name]
