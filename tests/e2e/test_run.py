"""A workflow run whole: pushed and served, refused, killed and gone on with, compiled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.conftest import Webhook
from e2e.tiny import TINY, write_background, write_workflow
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from mlflow import MlflowClient
from tfx.orchestration import metadata

from components.versions.manifest import verify
from components.versions.serving import pushed_versions
from pipeline.history import list_records
from pipeline.promotion import roll_back
from pipeline.runners.local import RunResult, run_workflow
from pipeline.runners.vertex import compile_workflow
from pipeline.workflow import read_workflow
from schemas.errors import WorkflowError
from schemas.reports import Epoch, IngestReport

pytestmark = pytest.mark.e2e

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


def auricle(
    *arguments: str, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AURICLE, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | (environment or {}),
    )


def run(project: Path) -> RunResult:
    return run_workflow(read_workflow(project / "workflow.yaml"), project)


def artifacts(project: Path, component: str, output: str) -> Path:
    root = project / "runs" / TINY["name"] / "artifacts" / component / output
    return max(root.iterdir(), key=lambda folder: int(folder.name))


def test_run_and_predict_from_the_command_line(project: Path, webhook: Webhook) -> None:
    write_background(project / "noise")
    write_workflow(
        project,
        data=TINY["data"] | {"background": "noise/*"},
        gate={"false_alarms_per_hour": 2000.0},
        notify={"webhook": "AURICLE_WEBHOOK"},
        registry={},
    )
    environment = {"AURICLE_WEBHOOK": webhook.url}
    ran = auricle("run", "workflow.yaml", cwd=project, environment=environment)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == ""  # all chatter is in the log
    assert "Pushed" in ran.stdout
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
    verdict = list_records(read_workflow(project / "workflow.yaml"), project)[0][1].verdict
    assert verdict.keywords is not None
    assert verdict.keywords.threshold == said["threshold"]
    assert verdict.keywords.hours == verdict.keywords.choose_hours == 20 / 3600
    assert "Keyword spotting" in (directory / "report.html").read_text()
    card = (directory / "serving" / "1" / "assets.extra" / "model_card.md").read_text()
    assert "false alarms an hour" in card
    for command in ("why", "runs"):
        shown = auricle(command, "workflow.yaml", cwd=project)
        assert shown.returncode == 0, shown.stderr
        assert "pushed" in shown.stdout.lower()
    record = str(directory / "history" / "1.json")
    assert "all clips" in auricle("compare", record, record, cwd=project).stdout
    client = MlflowClient(f"sqlite:///{directory}/registry.sqlite")
    made = client.get_model_version_by_alias("tones", "champion")
    lineage = verify(directory / "serving" / "1").lineage
    assert lineage is not None
    assert made.tags["auricle.examples_sha256"] == lineage.examples
    once = auricle("schedule", "workflow.yaml", "--once", cwd=project)
    assert once.stdout.startswith("nothing new"), once.stdout + once.stderr


def check_told(project: Path, webhook: Webhook) -> None:
    """The webhook was told of the run, and its URL is nowhere."""
    [event] = webhook.got
    assert (event["event"], event["version"], event["run"]) == ("blessed", 1, 1)
    assert event["report"] == str(project / "runs" / "tones" / "report.html")
    kept = [path for path in project.rglob("*") if path.is_file()]
    assert len(kept) > 100
    assert [path for path in kept if webhook.token.encode() in path.read_bytes()] == []


def test_a_better_model_is_pushed_beside_the_first_and_a_bad_one_is_refused(
    project: Path,
) -> None:
    first = run(project)
    assert first.pushed_to == project / "runs" / "tones" / "serving" / "1"
    assert first.record.verdict.baseline_accuracy is None

    write_workflow(project, train=TINY["train"] | {"epochs": 8, "learning_rate": 0.01})
    second = run(project)
    assert second.pushed_to == project / "runs" / "tones" / "serving" / "2"
    assert second.record.verdict.baseline_accuracy == first.record.verdict.accuracy
    assert second.record.verdict.accuracy == 1.0  # three tones, far apart

    write_workflow(
        project,
        train=TINY["train"] | {"learning_rate": 1e-9},
        gate={"accuracy": {"at_least": 1.0}},
    )
    third = run(project)
    assert third.record.verdict.outcome == "refused"
    assert "is below 1 (gate.accuracy.at_least)" in third.record.verdict.reasons[0]
    assert third.pushed_to is None
    assert sorted(p.name for p in (project / "runs/tones/serving").iterdir()) == ["1", "2"]
    assert "refused" in (project / "runs" / "tones" / "report.html").read_text().lower()
    assert auricle("run", "workflow.yaml", cwd=project).returncode == 3


def test_a_version_that_was_rolled_back_is_not_pushed_again(project: Path) -> None:
    run(project)
    write_workflow(project, train=TINY["train"] | {"seed": 7})
    second = run(project)
    assert second.record.pushed_version == "2"
    workflow = read_workflow(project / "workflow.yaml")
    assert roll_back(workflow, project, "a person heard it fail").content == 1
    again = run(project)
    assert (again.record.outcome, again.pushed_to) == ("withdrawn", None)
    assert set(again.ran) == {"ServingCheck", "Pusher", "Report"}
    assert [p.name for p in pushed_versions(project / "runs/tones/serving")] == ["1", "2", "3"]
    write_workflow(project, train=TINY["train"] | {"seed": 8})
    third = run(project)
    assert third.record.pushed_version == "4"
    accuracy = list_records(workflow, project)[0][1].verdict.accuracy
    assert third.record.verdict.baseline_accuracy == accuracy  # of version 1, not of the failed one


def test_every_row_is_accounted_for(project: Path) -> None:
    manifest = project / "recordings" / "manifest.jsonl"
    rows = manifest.read_text().splitlines()
    (project / "recordings" / "low-speaker0-0.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt ")
    (project / "recordings" / "low-speaker0-1.wav").unlink()
    manifest.write_text("\n".join([*rows, "{not JSON", '{"label": "low"}', ""]))
    write_workflow(project, data=TINY["data"] | {"max_reject_fraction": 0.1})
    run(project)
    report = IngestReport.model_validate_json(
        (artifacts(project, "AudioExampleGen", "ingest_report") / "report.json").read_text()
    )
    assert report.rows == len(rows) + 2
    assert report.rejects == {"unreadable": 1, "missing": 1, "bad_row": 2}
    assert sum(split.clips for split in report.splits.values()) == len(rows) - 2


@pytest.fixture
def training(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, stopped hard in the middle of its training."""
    write_workflow(project, train=TINY["train"] | {"epochs": 400, "patience": 400})
    process = subprocess.Popen(
        [*AURICLE, "run", "workflow.yaml"], cwd=project, stdout=subprocess.DEVNULL, text=True
    )
    checkpoints = project / "runs" / "tones" / "checkpoints"
    deadline = time.monotonic() + 200
    while not list(checkpoints.rglob("*.npz")) + list(checkpoints.rglob("*.pkl")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def test_a_killed_training_is_continued(project: Path, training: subprocess.Popen[str]) -> None:
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    write_workflow(project, train=TINY["train"] | {"epochs": 400, "patience": 400})
    result = run(project)
    assert {"AudioExampleGen", "StatisticsGen", "ImportSchemaGen"} <= set(result.reused)
    history = json.loads((artifacts(project, "Trainer", "model_run") / "history.json").read_text())
    epochs = [Epoch.model_validate(epoch) for epoch in history]
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert not list((project / "runs" / "tones" / "checkpoints").rglob("*.npz"))
    connection = metadata.sqlite_metadata_connection_config(
        str(project / "runs" / "tones" / "metadata.sqlite")
    )
    states = {e.last_known_state for e in MetadataStore(connection).get_executions()}
    assert metadata_store_pb2.Execution.RUNNING not in states
    assert run(project).ran == []


def test_real_digits(shared_data: Path, tmp_path: Path) -> None:
    file = write_workflow(
        tmp_path,
        data={
            "manifests": str(shared_data / "fsdd" / "manifest.jsonl"),
            "split": {"eval": 0.2, "test_speakers": ["theo"], "eval_speakers": ["nicolas"]},
        },
        audio={"sample_rate": 8000},
        model={"architecture": "cnn", "layers": 2, "filters": 16},
        train={"epochs": 5},
    )
    result = run_workflow(read_workflow(file), tmp_path)
    assert result.record.verdict.clips == 500
    assert result.record.verdict.accuracy > 0.3  # ten classes, five epochs, a speaker never heard
    assert {s.value for s in result.record.verdict.slices if s.feature == "speaker"} == {"theo"}


def test_vertex_pipeline(project: Path) -> None:
    file = write_workflow(project, run={"directory": "gs://bucket/runs/tones"})
    output = project / "pipeline.json"
    compile_workflow(read_workflow(file), project, output)
    job = json.loads(output.read_text())
    tasks = job["pipelineSpec"]["root"]["dag"]["tasks"]
    assert {"AudioExampleGen", "Trainer", "Evaluator", "ModelGate", "Pusher"} <= set(tasks)
    assert {"ServingCheck", "Report"} <= set(tasks)
    assert job["runtimeConfig"]["gcsOutputDirectory"] == "gs://bucket/runs/tones"
    assert str(project) not in output.read_text()  # nothing of this machine


def test_vertex_pipeline_registers_what_it_pushes(project: Path) -> None:
    vertex = {"project": "my-project", "region": "europe-west4"}
    run = {"directory": "gs://bucket/runs/tones", "vertex": vertex}
    file = write_workflow(project, run=run)
    output = project / "pipeline.json"
    compile_workflow(read_workflow(file), project, output)
    tasks = json.loads(output.read_text())["pipelineSpec"]["root"]["dag"]["tasks"]
    config = tasks["Pusher"]["inputs"]["parameters"]["custom_config"]
    assert json.loads(config["runtimeValue"]["constantValue"]["stringValue"]) == {
        "ledger": "gs://bucket/runs/tones/versions.json",
        "registry": {"kind": "vertex", **vertex},
    }


def test_vertex_needs_a_bucket(project: Path) -> None:
    with pytest.raises(WorkflowError, match="expected a Cloud Storage URI"):
        compile_workflow(
            read_workflow(project / "workflow.yaml"), project, project / "pipeline.json"
        )
