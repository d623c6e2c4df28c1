"""A serving directory belongs to one workflow, whatever happens to names, folders and files."""

import concurrent.futures
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from on_store import put_on_store
from pushed import make_version, push_text
from typer.testing import CliRunner
from words import write_clip, write_project

from components.storage.local import LocalStorage
from components.storage.location import location_of
from components.versions.serving import newest_version, pushed_versions, remove_leftovers
from pipeline.cli import app
from pipeline.inference.predict import load_model
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import list_versions, promote, roll_back
from pipeline.workspace.identity import read_identity, write_identity
from pipeline.workspace.lock import claim
from pipeline.workspace.ownership import OWNER_FILE, Owner, own_serving
from pipeline.workspace.project import Project
from schemas.errors import InputError, RunDirectoryError, VersionError
from schemas.workflow.run import Run
from schemas.workflow.workflow import Workflow


def make_project(folder: Path, name: str = "digits", **push: object) -> Project:
    """A workflow of a folder of its own, which pushes to a folder beside it."""
    blocks = {"data": {"folder": "clips"}, "registry": {"kind": "none"}}
    push = {"directory": str(folder.parent / "served"), **push}
    return Project(Workflow.model_validate({"name": name, "push": push, **blocks}), folder)


def push(project: Project, *texts: str) -> None:
    with claim(project) as directory:
        for text in texts:
            made = push_text(directory.serving, text, name=project.name)
            reconcile(project, int(made.name))


def owner_of(project: Project) -> Owner:
    return Owner.model_validate_json((project.run_directory.serving / OWNER_FILE).read())


@pytest.fixture
def first(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "one", "digits")
    push(project, "a", "b", "c")
    return project


@pytest.mark.parametrize("name", ["words", "digits"])  # the same name is no proof
def test_another_workflow_changes_nothing(first: Project, tmp_path: Path, name: str) -> None:
    other = make_project(tmp_path / "two", name, keep=1)
    for step in (
        lambda: load_model(other),
        lambda: list_versions(other),
        lambda: roll_back(other, "worse"),
        lambda: promote(other, 1),
        lambda: push(other, "d"),
        lambda: own_serving(other),
    ):
        with pytest.raises(RunDirectoryError, match=r"served .*'digits' \(.*/one/runs/digits\)"):
            step()
    assert [v.number for v in pushed_versions(first.run_directory.serving)] == [1, 2, 3]
    assert not list(other.run_directory.local.glob("*.json"))
    assert roll_back(first, "worse").content == 2


@pytest.mark.parametrize(
    "command",
    [
        ["plan"],
        ["run"],
        ["predict", "FILE", "clip.wav"],
        ["models"],
        ["rollback"],
        ["promote", "FILE", "1"],
        ["export", "FILE", "1", "out"],
        ["schedule", "FILE", "--once"],
        ["feedback", "FILE", "clip.wav", "--label", "go"],
        ["forget", "FILE", "--speaker", "ann", "--yes"],
    ],
    ids=lambda command: command[0],
)
def test_commands_of_another_workflow_are_refused(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "two").mkdir()
    file = write_project(tmp_path / "two")
    served = f"push: {{directory: {tmp_path / 'served'}}}\n"
    file.write_text(file.read_text() + served)
    push(make_project(tmp_path / "one"), "a")
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.wav")
    name, *rest = command
    arguments = [each.replace("FILE", str(file)) for each in rest or ["FILE"]]
    done = CliRunner().invoke(app, [name, *arguments])
    assert isinstance(done.exception, InputError), done
    assert done.exception.exit_code == 2
    assert "'digits'" in str(done.exception)
    assert newest_version(tmp_path / "served") is not None
    assert not (tmp_path / "two" / "runs" / "words" / "artifacts").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["plan"], ["run"], ["models"], ["rollback"], ["runs"], ["why"], ["rejects"],
        ["predict", "FILE", "clip.wav"], ["predict", "FILE", "clip.wav", "--run", "1"],
        ["export", "FILE", "1", "out"], ["schedule", "FILE", "--log"],
        ["feedback", "FILE", "--list"], ["forget", "FILE", "--speaker", "ann"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_run_directory_of_another_workflow_is_not_even_read(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_project(tmp_path)
    file.write_text(f"{file.read_text()}run: {{directory: shared}}\n")
    shared = {"directory": str(tmp_path / "shared")}
    first = make_project(tmp_path / "one", directory="serving")
    first = Project(first.workflow.model_copy(update={"run": Run(**shared)}), first.folder)
    push(first, "a")
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.wav")
    name, *rest = command
    arguments = [each.replace("FILE", str(file)) for each in rest or ["FILE"]]
    done = CliRunner().invoke(app, [name, *arguments])
    assert isinstance(done.exception, InputError), done
    assert "belongs to workflow 'digits'" in str(done.exception)


def test_a_copied_serving_directory_can_be_asked(tmp_path: Path) -> None:
    """Where a person takes it elsewhere to ask it there, without the rest of the run directory."""
    first = make_project(tmp_path / "one", directory="serving")
    push(first, "a")
    there = make_project(tmp_path / "two", directory="serving")
    shutil.copytree(first.run_directory.serving.path, there.run_directory.serving.path)
    assert load_model(there).version == 1
    other = make_project(tmp_path / "two", "words", directory="../digits/serving")
    with pytest.raises(RunDirectoryError):
        load_model(other)


def test_it_stays_the_owners(first: Project, tmp_path: Path) -> None:
    """Also without a ledger, under another name, at another place, and begun anew."""
    directory = first.run_directory
    owner = owner_of(first)
    directory.ledger.delete()
    assert roll_back(first, "worse").content == 2
    moved = make_project(tmp_path / "moved")
    shutil.move(tmp_path / "one", tmp_path / "moved")
    assert roll_back(moved, "worse").content == 1
    assert owner_of(moved).id == owner.id
    assert owner_of(moved).run_directory == str(moved.run_directory.root)
    identity = moved.run_directory.root / "workflow.json"
    renamed = make_project(tmp_path / "moved", "figures")
    shutil.move(moved.run_directory.local, renamed.run_directory.local)
    with pytest.raises(RunDirectoryError, match=r"workflow\.json"):
        promote(renamed, 3, force=True)
    identity = renamed.run_directory.root / "workflow.json"
    identity.put(json.dumps({**json.loads(identity.read()), "name": "figures"}).encode())
    assert promote(renamed, 3, force=True).content == 3
    assert (owner_of(renamed).workflow, owner_of(renamed).id) == ("figures", owner.id)
    shutil.rmtree(renamed.run_directory.local)
    push(renamed, "d")
    assert owner_of(renamed).id == owner.id
    stranger = make_project(tmp_path / "stranger", "figures")
    with pytest.raises(RunDirectoryError):
        push(stranger, "e")


def test_a_copy_of_a_run_directory_is_another(first: Project, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    copy = make_project(tmp_path / "copy")
    with pytest.raises(RunDirectoryError, match="/one/runs/digits"):
        roll_back(copy, "worse")
    assert roll_back(first, "worse").content == 2
    shutil.rmtree(tmp_path / "one")  # so it was moved
    assert roll_back(copy, "worse").content == 1


def test_a_copy_with_its_serving_directory_has_its_own(tmp_path: Path) -> None:
    first = make_project(tmp_path / "one", directory="serving")
    push(first, "a", "b")
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    copy = make_project(tmp_path / "copy", directory="serving")
    assert roll_back(copy, "worse").content == 1
    assert roll_back(first, "worse").content == 1
    intruder = make_project(tmp_path / "two", directory=str(first.run_directory.serving))
    with pytest.raises(RunDirectoryError):
        push(intruder, "c")


def test_a_person_hands_it_over(first: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path / "two", "words")
    with pytest.raises(RunDirectoryError) as refused:
        roll_back(other, "worse")
    way = str(refused.value).rpartition("that holds ")[2]
    (first.run_directory.serving / OWNER_FILE).put(way.encode())
    assert roll_back(other, "worse").content == 2
    with pytest.raises(RunDirectoryError, match="'words'"):
        roll_back(first, "worse")


def test_directories_of_an_earlier_version(tmp_path: Path) -> None:
    """Whose the versions are is told by their names, or by who remembers having pushed them."""
    served = tmp_path / "served"
    make_version(served, "a")
    (served / "7").mkdir()
    words, digits = make_project(tmp_path / "two", "words"), make_project(tmp_path / "one")
    with pytest.raises(RunDirectoryError, match="'digits'"):
        push(words, "b")
    assert not (served / OWNER_FILE).exists()
    push(digits, "b")
    assert owner_of(digits).workflow == "digits"
    assert [v.number for v in pushed_versions(served)] == [1, 7, 8]
    (served / OWNER_FILE).unlink()
    renamed = make_project(tmp_path / "one", "figures")
    shutil.move(digits.run_directory.local, renamed.run_directory.local)
    (renamed.run_directory.local / "workflow.json").write_text('{"name": "figures"}')
    push(renamed, "c")
    assert owner_of(renamed).workflow == "figures"


def test_versions_of_two_are_nobodys(tmp_path: Path) -> None:
    projects = [make_project(tmp_path / name, name) for name in ("digits", "words")]
    for project in projects:
        push_text(project.run_directory.serving, project.name, name=project.name)
    for project in projects:
        with pytest.raises(RunDirectoryError):
            push(project, "more")
    (tmp_path / "served" / OWNER_FILE).write_text('{"workflow": "words"}')
    push(projects[1], "more")


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_text(""),
        lambda file: file.write_bytes(file.read_bytes()[:20]),
        lambda file: file.write_text("[1]"),
        lambda file: file.write_text('{"workflow": 3}'),
        lambda file: file.write_bytes(b"\xff\xfe{}"),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["empty", "cut", "a list", "a number", "no text", "a folder"],
)
def test_a_damaged_owner_is_named_with_the_way_on(
    first: Project, damage: Callable[[Path], object]
) -> None:
    damage(first.run_directory.serving.path / OWNER_FILE)
    with pytest.raises(RunDirectoryError, match=OWNER_FILE) as refused:
        roll_back(first, "worse")
    file = first.run_directory.serving.path / OWNER_FILE
    if file.is_dir():
        file.rmdir()
    file.write_text(str(refused.value).rpartition("that holds ")[2])
    assert roll_back(first, "worse").content == 2


def test_of_two_workflows_at_once_one_has_a_run_directory(tmp_path: Path) -> None:
    root = location_of(tmp_path / "run")
    workflows = [make_project(tmp_path, name).workflow for name in ("digits", "words")]

    def try_to(workflow: Workflow) -> bool:
        try:
            write_identity(root, workflow, "")
        except RunDirectoryError:
            return False
        identity = read_identity(root)
        return identity is not None and identity.name == workflow.name

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        won = list(pool.map(try_to, workflows[:1] * 3))
    assert won == [True] * 3  # of one workflow: each is at home
    root.delete_all()
    root = location_of(tmp_path / "another")
    barrier = threading.Barrier(2)
    put = LocalStorage.put

    def at_once(*given: object, **named: object) -> str:
        barrier.wait()
        return put(*given, **named)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        patch.setattr(LocalStorage, "put", at_once)
        won = list(pool.map(try_to, workflows))
    assert sorted(won) == [False, True]


@pytest.mark.parametrize("kind", ["disk", "store"])
def test_of_two_first_pushes_at_once_one_has_it(tmp_path: Path, kind: str) -> None:
    projects = [make_project(tmp_path / name, name) for name in ("digits", "words")]
    if kind == "store":
        projects = [put_on_store(project, tmp_path / "objects") for project in projects]
        for project in projects:
            there = project.run_directory
            root = there.root / project.name
            project.__dict__["run_directory"] = type(there)(root, there.serving, there.local)
    for project in projects:
        with claim(project):
            pass

    def try_to(project: Project) -> bool:
        try:
            own_serving(project)
        except RunDirectoryError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        won = list(pool.map(try_to, projects))
    assert sorted(won) == [False, True]
    assert owner_of(projects[0]).workflow == projects[won.index(True)].name
    serving = projects[0].run_directory.serving
    assert (remove_leftovers(serving), pushed_versions(serving)) == (0, [])
    with pytest.raises(VersionError):
        roll_back(projects[won.index(True)], "nothing there")
