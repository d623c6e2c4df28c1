"""Broken data stops a run before training, by name; once mended, only what changed is redone."""

import json
import shutil
from pathlib import Path

import pytest
from e2e.running import artifacts, run
from typer.testing import CliRunner

from pipeline.cli import app
from schemas.errors import DataGateError
from schemas.reports.ingest import IngestReport

pytestmark = pytest.mark.e2e


def test_too_many_rejects_stop_the_run_until_they_are_mended(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    recordings, kept = project / "recordings", project / "kept"
    shutil.copytree(recordings, kept)
    manifest = (recordings / "manifest.jsonl").read_text()
    broken = [f"low-speaker{number}-0.wav" for number in range(4)]
    for name in broken:
        (recordings / name).write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt ")
    (recordings / "low-speaker0-1.wav").unlink()
    (recordings / "manifest.jsonl").write_text(manifest + '{not JSON\n{"label": "low"}\n\n')
    with pytest.raises(DataGateError, match="7 of 74") as stopped:
        run(project)
    report = IngestReport.model_validate_json(
        (artifacts(project, "AudioExampleGen", "ingest_report") / "report.json").read_text()
    )
    assert report.rows == 72 + 2
    assert report.rejects == {"unreadable": 4, "missing": 1, "bad_row": 2}
    assert sum(split.clips for split in report.splits.values()) == 72 - 5
    assert stopped.value.exit_code == 3
    assert "DataGate: stopped" in capfd.readouterr().out
    directory = project / "runs" / "tones"
    assert not (directory / "artifacts" / "Trainer").exists()
    listed = CliRunner().invoke(app, ["rejects", str(project / "workflow.yaml")]).stdout
    assert "unreadable: 4\n  low-speaker0-0.wav: " in listed

    stored = {path.name for path in (directory / "shards").rglob("*.tfrecord")}
    for file in kept.iterdir():
        shutil.copyfile(file, recordings / file.name)
    run(project)
    assert (directory / "serving" / "1" / "saved_model.pb").exists()
    now = {path.name for path in (directory / "shards").rglob("*.tfrecord")}
    assert len(stored & now) == 2  # eval and test held nothing broken
    assert CliRunner().invoke(app, ["rejects", str(project / "workflow.yaml")]).stdout == (
        "Nothing was rejected\n"
    )


def test_a_test_clip_that_training_would_hear_stops_the_run(project: Path) -> None:
    recordings = project / "recordings"
    shutil.copyfile(recordings / "low-speaker5-0.wav", recordings / "again.wav")
    row = {"audio_filepath": "again.wav", "label": "low", "speaker": "speaker0"}
    with (recordings / "manifest.jsonl").open("a") as manifest:
        manifest.write(json.dumps(row) + "\n")
    with pytest.raises(DataGateError, match=r"leaks: .*: again"):
        run(project)
