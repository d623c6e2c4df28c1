"""`auricle schedule`, called as a service manager calls it: what it prints and how it exits."""

import json
from pathlib import Path

import pytest
from seen import add_span, finish_run
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.scheduling import scheduler
from pipeline.scheduling.scheduler import Decision
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project, read_project
from schemas.errors import DataError, InputError
from schemas.outcomes import CheckOutcome

WORKFLOW = "name: digits\ndata: {manifests: 'data/{SPAN}/manifest.jsonl'}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    add_span(tmp_path, 1)
    (tmp_path / "workflow.yaml").write_text(WORKFLOW)
    finish_run(read_project(tmp_path / "workflow.yaml"))
    return read_project(tmp_path / "workflow.yaml")


def schedule(project: Project, *options: str) -> tuple[int, str]:
    file = str(project.folder / "workflow.yaml")
    done = CliRunner().invoke(app, ["schedule", file, *options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def test_once_prints_the_decision_and_writes_it_down(project: Project) -> None:
    code, out = schedule(project, "--once", "--json")
    decision = Decision.model_validate_json(out)
    assert (code, decision.outcome, decision.version) == (0, "nothing new", None)
    assert schedule(project, "--once")[1].startswith("nothing new: ")
    code, out = schedule(project, "--log", "--json")
    logged = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [entry["outcome"] for entry in logged] == ["nothing new", "nothing new"]
    assert Decision.model_validate(logged[0]) == decision


def test_the_log_as_a_table_has_a_row_for_each_decision(project: Project) -> None:
    schedule(project, "--once")
    schedule(project, "--once")
    rows = schedule(project, "--log")[1].splitlines()
    assert sum("nothing new" in row for row in rows) == 2


def test_no_decision_yet(project: Project) -> None:
    with pytest.raises(InputError):
        schedule(project, "--log")


def test_another_run_is_no_failure(project: Project) -> None:
    add_span(project.folder, 2)
    with claim(project):
        code, out = schedule(project, "--once", "--json")
    assert (code, json.loads(out)["outcome"]) == (0, "busy")


def test_what_fails_is_raised_and_logged(project: Project) -> None:
    (project.folder / "data").rename(project.folder / "gone")
    with pytest.raises(DataError):
        schedule(project, "--once")
    assert json.loads(schedule(project, "--log", "--json")[1])["outcome"] == "failed"


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("pushed", 0), ("nothing new", 0), ("busy", 0),
        ("refused", 3), ("undecided", 3), ("withdrawn", 3), ("not servable", 3),
    ],
)  # fmt: skip
def test_exit_codes(
    project: Project, monkeypatch: pytest.MonkeyPatch, outcome: CheckOutcome, code: int
) -> None:
    """Training is the scheduler's; only what a decision makes of the exit code is looked at."""
    now = read_project(project.folder / "workflow.yaml")
    schedule(now, "--once")
    [decided] = scheduler.read_decisions(now)
    changed = decided.model_copy(update={"outcome": outcome})
    monkeypatch.setattr(scheduler, "run_once", lambda _: changed)
    assert schedule(project, "--once")[0] == code
