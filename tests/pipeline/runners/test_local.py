"""What a run does with the shards that other code left."""

import gc
import sys
from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from components.storage.location import location_of
from pipeline.dag.predecessors import SAME_SHARDS
from pipeline.runners.launcher import Outcome
from pipeline.runners.local import _after_ingest, _shards, _uncollected
from pipeline.workspace.paths import RunDirectory


@pytest.mark.parametrize(("is_reused", "left"), [(True, ["earlier"]), (False, [])])
def test_shards_go_only_when_an_ingest_has_put_others_in_their_place(
    tmp_path: Path, is_reused: bool, left: list[str]
) -> None:
    directory = RunDirectory(location_of(tmp_path), location_of(tmp_path / "serving"), tmp_path)
    (directory.shards.path / "earlier").mkdir(parents=True)
    rejects = tmp_path / "artifacts" / "rejects.jsonl"
    rejects.parent.mkdir()
    rejects.touch()
    artifact = metadata_store_pb2.Artifact(uri=str(rejects.parent))
    outcome = Outcome(artifacts={"rejects": artifact}, is_reused=is_reused)
    _after_ingest(directory, "Trainer", outcome)
    assert [path.name for path in directory.shards.path.iterdir()] == ["earlier"]
    _after_ingest(directory, "AudioExampleGen", outcome)
    assert [path.name for path in directory.shards.path.iterdir()] == left


def test_shards_of_earlier_code_with_the_same_bytes_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(location_of(tmp_path), location_of(tmp_path / "serving"), tmp_path)
    current = _shards(directory)
    monkeypatch.setitem(SAME_SHARDS, current.name, ("earlier",))
    (directory.shards.path / "earlier").mkdir(parents=True)
    (directory.shards.path / "other").mkdir()
    (directory.shards.path / "earlier" / "a.tfrecord").write_bytes(b"a")
    assert _shards(directory) == current
    assert (current / "a.tfrecord").read() == b"a"
    assert sorted(path.name for path in directory.shards.path.iterdir()) == sorted(
        [current.name, "other"]
    )


def test_the_callers_collector_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with _uncollected():  # all was imported before
        assert gc.isenabled()
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
    monkeypatch.delitem(sys.modules, "pipeline.runners.launcher")
    gc.disable()
    try:
        with _uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*before[0])
