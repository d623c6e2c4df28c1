"""A registry in trouble keeps nobody waiting: the other version is served, and that is said."""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

import pytest
from pushed import make_version
from troubled_registry import TROUBLES, troubled

from components.registry.deadline import Deadline, LateError
from components.registry.mlflow import MlflowRegistry
from components.versions.ledger import read_ledger
from pipeline.inference.predict import served_version
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import promote, roll_back
from pipeline.runners.tracking import tell_registry
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.workflow.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::Warning:sqlalchemy", "ignore::DeprecationWarning")

assert MlflowRegistry  # loaded: what is measured is not its import
LIMIT_S = 1  # whole seconds, as MLflow has it


def make_project(folder: Path, uri: str) -> Project:
    blocks = {"data": {"folder": "clips"}, "registry": {"kind": "mlflow", "uri": uri}}
    return Project(Workflow.model_validate({"name": "digits", **blocks}), folder)


def publish(folder: Path, uri: str, texts: str) -> Project:
    project = make_project(folder, uri)
    with claim(project) as directory:
        for text in texts:
            make_version(directory.serving, text)
    return project


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_rollback_serves_and_says_what_the_registry_missed(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", str(LIMIT_S))  # what a person may do
    with troubled(kind) as uri:
        project = publish(tmp_path, uri, "ab")
        began = time.monotonic()
        step = roll_back(project, "too noisy")
        took_s = time.monotonic() - began
        assert (step.content, served_version(project).number) == (1, 3)
        [*_, said] = step.notes
        assert uri in said
        assert ("within 1 s" in said) == (
            kind in ("silent", "dripping", "503, come back in an hour")
        )
        assert took_s < LIMIT_S + 3  # of a busy machine
        ledger = read_ledger(project.run_directory.ledger)
        assert [record.entry for record in ledger.versions] == [None] * 3
        assert ledger.registered_state == ""
        [said] = tell_registry(project)  # a run's
        assert uri in said


def test_the_registry_is_told_when_the_version_is_served(tmp_path: Path) -> None:
    """Who asks the serving directory while the registry does not answer finds the old version."""
    with troubled("silent") as uri:
        project = publish(tmp_path, uri, "ab")
        ledger = project.run_directory.ledger
        waited: list[int | None] = []

        def look(self: Deadline) -> None:
            champion = read_ledger(ledger).champion
            waited.append(champion.content if champion else None)
            raise LateError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Deadline, "check", look)
            assert promote(project, 1).content == 1
        assert waited == [1]


def test_what_was_missed_is_made_up_for(tmp_path: Path) -> None:
    with troubled("refusing") as uri:
        project = publish(tmp_path, uri, "a")
        with claim(project):
            [_, said] = reconcile(project)
    assert "next command" in said
    registry = project.workflow.registry.model_copy(update={"uri": None})
    healthy = Project(project.workflow.model_copy(update={"registry": registry}), tmp_path)
    with claim(healthy):
        assert reconcile(healthy) == []
    assert [r.entry for r in read_ledger(project.run_directory.ledger).versions] == ["1"]


def test_a_locked_database_holds_up_no_promotion(tmp_path: Path) -> None:
    blocks = {"data": {"folder": "clips"}, "registry": {"kind": "mlflow"}}
    project = Project(Workflow.model_validate({"name": "digits", **blocks}), tmp_path)
    with claim(project) as directory:
        for text in "ab":
            make_version(directory.serving, text)
        database = directory.local / "registry.sqlite"
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        step = promote(project, 1)
    assert served_version(project).number == 3
    assert f"{database} is held by another process" in step.notes[-1]


def test_time_for_files_is_given_to_who_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.registry.deadline.LIMIT_S", 0.1)
    monkeypatch.setattr("components.registry.deadline.PATIENT_LIMIT_S", 0.1)
    for patient in (False, True):
        deadline = Deadline(patient=patient)
        deadline.allow(50_000)
        if patient:
            assert deadline.wait_for(lambda: time.sleep(0.2)) is None
        else:
            with pytest.raises(LateError):
                deadline.wait_for(lambda: time.sleep(0.2))
            with pytest.raises(LateError):
                deadline.check()


def test_a_persons_settings_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES")

    def seen() -> list[str | None]:
        return [os.environ.get(name) for name in names]

    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert Deadline(patient=True).wait_for(seen) == ["5", "1"]
    assert seen() == [None, None]
    for odd in ("0", "-5", "soon", str(10**30)):
        monkeypatch.setenv(names[0], odd)
        assert Deadline(patient=True).wait_for(seen) == [odd, "1"]
    monkeypatch.delenv(names[0])
    monkeypatch.setenv(names[1], "0")
    assert Deadline(patient=True).wait_for(seen) == ["5", "0"]
