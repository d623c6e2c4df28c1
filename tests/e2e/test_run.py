"""A workflow run whole, from the command line, with all that is around it, and on real speech."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SHARED_DATA
from e2e.conftest import Webhook
from e2e.running import auricle
from e2e.tiny import TINY, write_background, write_recordings, write_workflow
from mlflow import MlflowClient

from components.storage.plain_path import sqlite_url
from components.versions.manifest import verify
from pipeline.runners.local import run_workflow
from pipeline.runs.records import list_records
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e


@pytest.fixture
def oddly_named(tmp_path: Path) -> Path:
    """A project in a folder whose name is a pattern, an option and an escape."""
    folder = tmp_path / "-a [v2] {x,y} * 100 % ü"
    folder.mkdir()
    write_recordings(folder / "recordings")
    return folder


def test_run_and_predict_from_the_command_line(oddly_named: Path, webhook: Webhook) -> None:
    project = oddly_named
    write_background(project / "noise")
    write_workflow(
        project,
        task="spot",
        data=TINY["data"] | {"background": "noise/*"},
        augment={"speed": 0.0, "noise": "noise"},
        gate={"false_alarms_per_hour": 2000.0},
        notify={"webhook": "AURICLE_WEBHOOK"},
        registry={},
    )
    environment = {"AURICLE_WEBHOOK": webhook.url}
    ran = auricle("run", "workflow.yaml", cwd=project, environment=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""  # all chatter is in the log
    assert "Published" in ran.stdout
    assert "could not notify AURICLE_WEBHOOK: answered 404 Not Found" in ran.stdout
    check_told(project, webhook)
    directory = project / "runs" / "tones"
    assert (directory / "serving" / "1" / "saved_model.pb").exists()
    assert (directory / "report.html").read_text().startswith("<!doctype html>")
    clip = project / "recordings" / "high-speaker5-0.wav"
    predicted = auricle("predict", "workflow.yaml", str(clip), "--json", cwd=project)
    assert predicted.returncode == 0, predicted.stderr
    said = json.loads(predicted.stdout)
    answer = said["files"][0]["answers"][0]
    assert said["files"][0]["heard"] == (answer["score"] >= said["threshold"])
    verdict = list_records(read_project(project / "workflow.yaml"))[0].verdict
    point = verdict.details.keywords
    assert point is not None
    assert point.threshold == said["threshold"]
    assert point.hours == point.choose_hours == 20 / 3600
    assert "Keyword spotting" in (directory / "report.html").read_text()
    card = (directory / "serving" / "1" / "assets.extra" / "model_card.md").read_text()
    assert "false alarms an hour" in card
    for command in ("why", "runs"):
        shown = auricle(command, "workflow.yaml", cwd=project)
        assert shown.returncode == 0, shown.stderr
        assert "pushed" in shown.stdout.lower()
    record = str(directory / "history" / "1.json")
    assert "all clips" in auricle("compare", record, record, cwd=project).stdout
    assert [path.name for path in project.parent.iterdir()] == [project.name]
    client = MlflowClient(sqlite_url(directory / "registry.sqlite"))
    made = client.get_model_version_by_alias("tones", "champion")
    lineage = verify(directory / "serving" / "1").lineage
    assert lineage is not None
    assert made.tags["auricle.examples_sha256"] == lineage.examples
    run = client.get_run(made.run_id)
    assert run.data.tags["auricle.outcome"] == "pushed"
    assert len(client.get_metric_history(made.run_id, "eval/loss")) == TINY["train"]["epochs"]
    assert {"recall/high", "slice/duration/below 0_5 s"} & run.data.metrics.keys()
    assert run.inputs.dataset_inputs[0].dataset.name == "tones"
    files = {file.path for file in client.list_artifacts(made.run_id)}
    assert files == {"model", "pictures", "report.html"}
    check_answers_through_mlflow(project, answer, clip)
    once = auricle("schedule", "workflow.yaml", "--once", cwd=project)
    assert once.stdout.startswith("nothing new"), once.stdout + once.stderr


def check_answers_through_mlflow(project: Path, answer: dict[str, object], clip: Path) -> None:
    """What MLflow loads answers as `auricle predict` does, without Auricle."""
    program = (
        "import sys, mlflow, soundfile\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/tones@champion')\n"
        "waveform, _ = soundfile.read(sys.argv[2], dtype='float32')\n"
        "[[label, score]] = model.predict(waveform[None])[['label', 'score']].values\n"
        "assert not {'auricle', 'components'} & set(sys.modules)\n"
        "print(label, score)\n"
    )
    registry = sqlite_url(project / "runs" / "tones" / "registry.sqlite")
    command = [sys.executable, "-I", "-W", "ignore", "-c", program, registry, str(clip)]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    label, score = asked.stdout.split()
    assert label == answer["label"]
    assert float(score) == pytest.approx(answer["score"], abs=1e-3)


def check_told(project: Path, webhook: Webhook) -> None:
    """The webhook was told of the run, and its URL is nowhere."""
    [event] = webhook.got
    assert (event["event"], event["version"], event["run"]) == ("blessed", 1, 1)
    assert event["report"] == str(project / "runs" / "tones" / "report.html")
    kept = [path for path in project.rglob("*") if path.is_file()]
    assert len(kept) > 100
    assert [path for path in kept if webhook.token.encode() in path.read_bytes()] == []


SPEECH = "recorded" if SHARED_DATA.is_dir() else "spoken"


@pytest.mark.parametrize("digits", [SPEECH], indirect=True)
def test_digits(digits: Path, tmp_path: Path) -> None:
    manifest = digits / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    file = write_workflow(
        tmp_path,
        data={
            "manifests": str(manifest),
            "split": {"eval": 0.2, "test_speakers": ["theo"], "eval_speakers": ["nicolas"]},
        },
        audio={"sample_rate": 8000},
        model={"architecture": "cnn", "layers": 2, "filters": 16},
        train={"epochs": max(5, 4800 // len(rows)), "batch_size": 16},
    )
    result = run_workflow(read_project(file))
    assert result.record.verdict.clips == sum(row["speaker"] == "theo" for row in rows)
    assert result.record.verdict.headline.value > 0.3  # of ten classes, by an unknown speaker
    assert {s.value for s in result.record.verdict.slices if s.feature == "speaker"} == {"theo"}
