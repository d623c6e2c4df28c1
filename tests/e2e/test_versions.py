"""One run after the other: what is pushed beside the first, refused, rolled back."""

import json
from pathlib import Path

import pytest
from e2e.running import run
from e2e.tiny import TINY, write_workflow
from typer.testing import CliRunner

from components.versions.serving import pushed_versions
from pipeline.cli import app
from pipeline.config.loader import read_workflow
from pipeline.metadata.artifacts import folder_number
from pipeline.releases.rollout import roll_back
from pipeline.runs.trained_models import load_candidate
from pipeline.workspace.project import Project
from schemas.errors import InputError

pytestmark = pytest.mark.e2e


def test_pushed_then_better_then_rolled_back_then_refused(project: Path) -> None:
    serving = project / "runs" / "tones" / "serving"
    first = run(project)
    assert first.pushed_to == serving / "1"
    assert first.record.verdict.baseline is None

    write_workflow(project, train=TINY["train"] | {"epochs": 8, "learning_rate": 0.01})
    second = run(project)
    assert second.pushed_to == serving / "2"
    assert second.record.verdict.baseline == first.record.verdict.headline.value
    assert second.record.verdict.headline.value == 1.0  # three tones, far apart

    workflow = read_workflow(project / "workflow.yaml")
    assert roll_back(Project(workflow, project), "a person heard it fail").content == 1
    again = run(project)
    assert (again.record.outcome, again.pushed_to) == ("withdrawn", None)
    assert set(again.ran) == {"ServingCheck", "Pusher", "Report"}
    assert [each.number for each in pushed_versions(serving)] == [1, 2, 3]

    write_workflow(
        project,
        train=TINY["train"] | {"learning_rate": 1e-9},
        gate={"confidence": 0.5, "accuracy": {"at_least": 0.88}},
    )
    third = run(project)
    assert third.record.verdict.outcome == "refused"
    assert "is below 0.88 (gate.accuracy.at_least)" in third.record.verdict.reasons[0]
    # Compared with the first one, which is served again, not with the one that failed.
    assert third.record.verdict.baseline == first.record.verdict.headline.value
    assert third.pushed_to is None
    assert [each.number for each in pushed_versions(serving)] == [1, 2, 3]
    assert "refused" in (project / "runs" / "tones" / "report.html").read_text().lower()
    refused = CliRunner().invoke(app, ["run", str(project / "workflow.yaml")])
    assert refused.exit_code == 3

    model = load_candidate(Project(read_workflow(project / "workflow.yaml"), project))
    trained = max((project / "runs/tones/artifacts/Trainer/model").iterdir(), key=folder_number)
    assert (model.folder.path, model.version, model.run) == (trained / "Format-Serving", None, 5)
    clip = str(project / "recordings" / "high-speaker5-0.wav")
    workflow = str(project / "workflow.yaml")
    for options, number in ((["--candidate"], 5), (["--run", "2"], 2)):
        done = CliRunner().invoke(app, ["predict", workflow, clip, "--json", *options])
        said = json.loads(done.stdout)
        assert (said["run"], said["version"], len(said["files"])) == (number, None, 1)
    assert said["files"][0]["answers"][0]["label"] == "high"
    done = CliRunner().invoke(app, ["predict", workflow, clip, "--run", "9"])
    assert isinstance(done.exception, InputError)
