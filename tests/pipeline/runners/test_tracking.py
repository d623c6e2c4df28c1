"""Every training that was judged is told to MLflow once, also later, when it was away."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_runs import Artifact, Runs
from mlflow import MlflowClient
from mlflow.entities import Run
from pushed import make_card, make_verdict
from unprivileged import permissions_count

from pipeline.releases.registry import delete_reports
from pipeline.runners.tracking import tell_registry
from pipeline.runs.records import RunRecord, write_record
from pipeline.workspace.project import Project
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.serving import ServingReport
from schemas.workflow.registry import Registry

pytestmark = pytest.mark.filterwarnings("ignore::Warning:sqlalchemy", "ignore::DeprecationWarning")

EPOCH = {
    "epoch": 1,
    "loss": 1.0,
    "metric": "accuracy",
    "value": 0.5,
    "val_loss": 1.5,
    "val_value": 0.4,
    "learning_rate": 0.1,
    "seconds": 2.0,
}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    made = Runs(tmp_path)
    workflow = made.workflow.model_copy(update={"registry": Registry(kind="mlflow")})
    made.project = Project(workflow, tmp_path)
    return made


def train(runs: Runs, weights: str) -> Artifact:
    """A training without a record of a run: its scores."""
    split = SplitCounts.of({("go", "ann"): 3}, 1.0)
    report = IngestReport(
        rows=3, generated=False, split_by="clip", splits={"train": split}, rejects={}
    )
    examples, _ = runs.make(
        "AudioExampleGen",
        {},
        examples=("Examples", {"Split-train/data": b""}),
        ingest_report=("auricle.IngestReport", {"report.json": report.model_dump_json().encode()}),
    )
    files = {
        "Format-Serving/saved_model.pb": weights.encode(),
        "Format-Serving/assets.extra/auricle.json": make_card().model_dump_json().encode(),
    }
    model, _ = runs.make(
        "Trainer",
        {"examples": examples},
        model=("Model", files),
        model_run=("ModelRun", {"history.json": json.dumps([EPOCH]).encode()}),
    )
    [scores] = runs.make(
        "Evaluator",
        {"examples": examples, "model": model},
        scores=("auricle.ClipScores", {"test.npz": b""}),
    )
    runs.make("Report", {"scores": scores}, report=("auricle.RunReport", {"report.html": b"<p>"}))
    return scores


def judge(runs: Runs, scores: Artifact, outcome: str, accuracy: float = 0.912) -> None:
    runs.number += 1
    verdict = make_verdict(accuracy)
    details = verdict.details.model_copy(update={"confusion": [[9, 1], [0, 5]]})
    verdict = verdict.model_copy(update={"outcome": outcome, "details": details})
    record = RunRecord(
        number=runs.number,
        finished=datetime.datetime(2026, 11, runs.number, tzinfo=datetime.timezone.utc),
        workflow=runs.project.workflow,
        data="d" * 64,
        verdict=verdict,
        serving=ServingReport(passed=True, rules=[], asked=0),
        pushed_version=None,
        scores=f"{scores.uri}/test.npz",
        seconds=9.0,
    )
    write_record(record, runs.directory.history)


def told(runs: Runs) -> dict[str, Run]:
    """The runs that MLflow has, by the run of ours that last judged their model."""
    client = MlflowClient(f"sqlite:///{runs.directory.local}/registry.sqlite")
    name = runs.project.workflow.name
    experiment = client.get_experiment_by_name(name).experiment_id
    return {run.data.tags["auricle.run"]: run for run in client.search_runs([experiment])}


def test_each_training_is_told_once(runs: Runs) -> None:
    first, second = train(runs, "a"), train(runs, "b")
    judge(runs, first, "refused")
    judge(runs, second, "undecided")
    judge(runs, second, "undecided")  # found what the one before left
    assert tell_registry(runs.project) == []
    found = told(runs)
    assert {run: each.data.tags["auricle.outcome"] for run, each in found.items()} == {
        "1": "refused",
        "2": "undecided",
    }
    assert found["1"].data.metrics["eval/accuracy"] == 0.4
    assert json.loads(found["1"].inputs.dataset_inputs[0].dataset.profile) == {"train clips": 3}
    judge(runs, second, "refused", accuracy=0.8)  # judged anew
    assert tell_registry(runs.project) == []
    assert {run: each.data.metrics["accuracy"] for run, each in told(runs).items()} == {
        "1": 0.912,
        "4": 0.8,
    }
    assert json.loads(runs.directory.told.read()) == {"run": 4}
    [note] = delete_reports(runs.project, {"d" * 64})
    assert note.startswith("deleted 2 reports")
    assert delete_reports(runs.project, {"d" * 64}) == []


@pytest.fixture
def unwritable(runs: Runs) -> Iterator[list[Path]]:
    """What MLflow may not write, one after the other."""
    folder, database = (runs.directory.local / name for name in ("registry", "registry.sqlite"))
    folder.mkdir()
    folder.chmod(0o500)
    yield [folder, database]
    folder.chmod(0o700)


def test_what_mlflow_could_not_be_told_is_told_later(runs: Runs, unwritable: list[Path]) -> None:
    judge(runs, train(runs, "a"), "refused")
    for path in unwritable:
        path.chmod(0o500 if path.is_dir() else 0o400)
        with permissions_count():
            [note] = tell_registry(runs.project)
        assert "registry" in note
        assert note.endswith("; the next run tells it of this one")
        assert not runs.directory.told.is_present()
        path.chmod(0o700)
    judge(runs, train(runs, "b"), "refused")
    assert tell_registry(runs.project) == []
    assert set(told(runs)) == {"1", "2"}


def test_a_damaged_file_holds_up_no_other_run(runs: Runs) -> None:
    judge(runs, train(runs, "a"), "refused")
    [file] = runs.directory.artifacts.path.glob("Trainer/model_run/*/history.json")
    file.write_text("[{")
    [note] = tell_registry(runs.project)
    assert note.startswith("the registry was not told of run 1: ")
    assert json.loads(runs.directory.told.read()) == {"run": 1}


def test_a_model_that_is_gone_is_passed_over(runs: Runs) -> None:
    judge(runs, Artifact(uri=str(runs.base / "gone")), "refused")
    assert tell_registry(runs.project) == []
    assert json.loads(runs.directory.told.read()) == {"run": 1}
    assert not (runs.directory.local / "registry.sqlite").exists()


def test_a_damaged_memory_of_what_was_told_is_named(runs: Runs) -> None:
    judge(runs, Artifact(uri=str(runs.base / "gone")), "refused")
    for content in (b"", b"[1]", b'{"run": "x"}', b'{"run": null}', b"\xff", b"[" * 100_000):
        runs.directory.told.put(content)
        [note] = tell_registry(runs.project)
        assert str(runs.directory.told) in note
    runs.directory.told.delete()  # the way on
    assert tell_registry(runs.project) == []
