"""A rollback or promotion that is killed at any of its steps is finished by the same command."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_store import FakeStore
from on_store import put_on_store
from pushed import push_text

from components.storage.interface import StaleError
from components.versions.ledger import read_ledger
from components.versions.manifest import check_version
from components.versions.serving import pushed_versions
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import Rollout, promote, roll_back
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.errors import VersionError
from schemas.workflow.workflow import Workflow

ON_DISK: list[tuple[object, str]] = [
    *((Path, name) for name in ("rename", "replace", "unlink", "mkdir")),
    *((shutil, name) for name in ("rmtree", "copytree")),
]
ON_STORE: list[tuple[object, str]] = [(FakeStore, "put"), (FakeStore, "delete")]


class Killed(BaseException):
    """What nobody catches, and no cleaning up survives."""


class Killer:
    """Ends a process before its `at`-th change, which is after the one before it: nothing is
    changed any more.
    """

    def __init__(self, patch: pytest.MonkeyPatch, changes: list[tuple[object, str]]) -> None:
        self.at, self.count, self.is_dead = -1, 0, False
        for place, name in changes:
            patch.setattr(place, name, self._watch(getattr(place, name)))

    def _watch(self, change: Callable[..., object]) -> Callable[..., object]:
        def watched(*given: object, **named: object) -> object:
            if threading.current_thread() is not threading.main_thread():  # that beats for a lease
                if self.is_dead:
                    raise StaleError  # which ends it
                return change(*given, **named)
            number, self.count = self.count, self.count + 1
            if self.is_dead or number == self.at:
                self.is_dead = True
                raise Killed
            return change(*given, **named)

        return watched

    def kills(self, step: Callable[[], Rollout], at: int) -> bool:
        """Whether `step` has so many changes that it did not come to its end."""
        self.at, self.count = at, 0
        try:
            step()
        except Killed:
            return True
        finally:
            self.at, self.is_dead = -1, False
        return False


def open_project(folder: Path, is_on_store: bool) -> Project:
    blocks = {"data": {"folder": "clips"}, "registry": {"kind": "none"}, "push": {"keep": 2}}
    project = Project(Workflow.model_validate({"name": "digits", **blocks}), folder)
    if is_on_store:
        put_on_store(project, folder / "objects")
    return project


def publish(folder: Path, is_on_store: bool) -> Project:
    """Four versions, of which two are kept: the last, and what a rollback goes back to."""
    project = open_project(folder, is_on_store)
    with claim(project) as directory:
        for text in "abcd":
            reconcile(project, int(push_text(directory.serving, text).name))
    return project


@pytest.mark.parametrize("where", ["disk", "store"])
@pytest.mark.parametrize("command", ["rollback", "promote"])
def test_a_step_killed_anywhere_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, command: str
) -> None:
    before = publish(tmp_path / "before", where == "store")
    copytree = shutil.copytree
    killer = Killer(monkeypatch, ON_STORE if where == "store" else ON_DISK)
    for at in range(200):
        copytree(before.folder, tmp_path / str(at))
        project = open_project(tmp_path / str(at), where == "store")

        def step(project: Project = project) -> Rollout:
            return promote(project, 3) if command == "promote" else roll_back(project, "worse")

        is_killed = killer.kills(step, at)
        if not is_killed:
            break
        if is_over(project):  # killed when only its words were missing
            with pytest.raises(VersionError):
                step()
        else:
            done = step()
            assert (done.version, done.content) == (5, 3), at
        check(project, command)
    assert at > 10


def is_over(project: Project) -> bool:
    champion = read_ledger(project.run_directory.ledger).champion
    is_served = champion is not None and champion.version == 5
    return is_served and not project.run_directory.step.is_present()


def check(project: Project, command: str) -> None:
    directory = project.run_directory
    ledger = read_ledger(directory.ledger)
    there = {record.version for record in ledger.versions if record.is_there}
    assert there == {version.number for version in pushed_versions(directory.serving)}
    assert ledger.champion is not None and ledger.champion.version == 5
    for record in ledger.versions:
        if record.is_there:
            check_version(record, directory.serving / record.version)
    fourth = ledger.find(4)
    assert fourth is not None
    assert bool(fourth.failed) == (command == "rollback")
    assert not directory.step.is_present()
    left = {name.rstrip("0123456789abcdef") for name in directory.serving.children()[1]}
    assert left == {""}, left


def test_a_promotion_of_what_retention_took_away_is_finished(tmp_path: Path) -> None:
    """The version that it names is gone by then: it was kept for a rollback alone."""
    project = publish(tmp_path, is_on_store=False)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("pipeline.releases.reconcile.tell_versions", kill)
        kept = project.workflow.push.model_copy(update={"keep": 1})
        tight = Project(project.workflow.model_copy(update={"push": kept}), tmp_path)
        promote(tight, 3)
    assert [v.number for v in pushed_versions(tight.run_directory.serving)] == [5]
    assert promote(tight, 3).version == 5
    with pytest.raises(VersionError, match="served already"):
        promote(tight, 3)


def kill(*_: object, **__: object) -> None:
    raise Killed
