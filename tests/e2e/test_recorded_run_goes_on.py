"""A run directory that earlier code recorded goes on: its history and version stay."""

from pathlib import Path

import pytest
from e2e.running import run
from recorded_run import unpack

from components.versions.serving import pushed_versions
from pipeline.runs.records import read_history
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e


def test_it_goes_on(tmp_path: Path) -> None:
    unpack(tmp_path)
    directory = read_project(tmp_path / "workflow.yaml").run_directory
    served = [version.number for version in pushed_versions(directory.serving)]
    result = run(tmp_path)
    first, second, third = read_history(directory.history)
    assert third == result.record
    assert (first.number, second.number, third.number) == (1, 2, 3)
    assert third.verdict.baseline is not None
    now_served = [version.number for version in pushed_versions(directory.serving)]
    assert now_served[: len(served)] == served
