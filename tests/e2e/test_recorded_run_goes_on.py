"""A run directory that earlier code recorded goes on: its history, version and shards stay."""

from pathlib import Path

import pytest
from e2e.running import run
from recorded_run import unpack

from components.versions.serving import pushed_versions
from pipeline.dag.fingerprint import shards_fingerprint
from pipeline.dag.predecessors import SAME_SHARDS
from pipeline.runs.records import read_history
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e


def test_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpack(tmp_path)
    directory = read_project(tmp_path / "workflow.yaml").run_directory
    [recorded] = directory.shards.path.iterdir()
    # Other versions of libraries have another key; what is tested is the way over.
    monkeypatch.setitem(SAME_SHARDS, shards_fingerprint()[:16], (recorded.name,))
    shards = {file.name: file.stat().st_ino for file in recorded.iterdir()}
    served = [version.number for version in pushed_versions(directory.serving)]
    result = run(tmp_path)
    [kept] = directory.shards.path.iterdir()
    assert {file.name: file.stat().st_ino for file in kept.iterdir()} == shards
    first, second, third = read_history(directory.history)
    assert third == result.record
    assert (first.number, second.number, third.number) == (1, 2, 3)
    assert third.data == second.data  # digest of the examples
    assert third.verdict.baseline is not None
    now_served = [version.number for version in pushed_versions(directory.serving)]
    assert now_served[: len(served)] == served
