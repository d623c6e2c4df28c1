"""What a run does with the shards that other code left."""

from pathlib import Path

import pytest
from ml_metadata.proto import metadata_store_pb2

from pipeline.runners.launcher import Outcome
from pipeline.runners.local import _after_ingest
from pipeline.workspace.paths import RunDirectory


@pytest.mark.parametrize(("is_reused", "left"), [(True, ["earlier"]), (False, [])])
def test_shards_go_only_when_an_ingest_has_put_others_in_their_place(
    tmp_path: Path, is_reused: bool, left: list[str]
) -> None:
    directory = RunDirectory(root=tmp_path, serving=tmp_path / "serving")
    (directory.shards / "earlier").mkdir(parents=True)
    rejects = tmp_path / "artifacts" / "rejects.jsonl"
    rejects.parent.mkdir()
    rejects.touch()
    artifact = metadata_store_pb2.Artifact(uri=str(rejects.parent))
    outcome = Outcome(artifacts={"rejects": artifact}, is_reused=is_reused)
    _after_ingest(directory, "Trainer", outcome)
    assert [path.name for path in directory.shards.iterdir()] == ["earlier"]
    _after_ingest(directory, "AudioExampleGen", outcome)
    assert [path.name for path in directory.shards.iterdir()] == left
