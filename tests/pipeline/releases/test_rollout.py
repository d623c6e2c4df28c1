"""Steps along the line of versions: what is served, registered, and left by a kill."""

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pushed import make_version
from typer.testing import CliRunner

from components.versions.ledger import follow, read_ledger, write_ledger
from components.versions.manifest import verify
from components.versions.serving import pushed_versions, restore_version
from pipeline.cli import app
from pipeline.inference.predict import load_model, served_version
from pipeline.releases.reconcile import begin_step, reconcile
from pipeline.releases.rollout import export, list_versions, promote, roll_back
from pipeline.workspace.lock import claim
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError, VersionError
from schemas.workflow.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::Warning:sqlalchemy", "ignore::DeprecationWarning")


def make_workflow(registry: dict[str, str], keep: int = 5) -> Workflow:
    return Workflow.model_validate(
        {
            "name": "digits",
            "data": {"folder": "clips"},
            "registry": registry,
            "push": {"keep": keep},
        }
    )


WORKFLOW = make_workflow({"kind": "none"})
REGISTERED = make_workflow({"kind": "mlflow"})


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A run directory with three versions, each of which was settled."""
    found = Project(WORKFLOW, tmp_path).run_directory
    with claim(Project(WORKFLOW, tmp_path)):
        for text, accuracy in (("a", 0.91), ("b", 0.92), ("c", 0.93)):
            made = make_version(found.serving, text, accuracy)
            assert reconcile(Project(WORKFLOW, tmp_path), int(made.name)) == []
    return found


def versions(directory: RunDirectory) -> list[int]:
    return [version.number for version in pushed_versions(directory.serving)]


def test_a_rollback_serves_the_version_before_and_marks_the_failed_one(
    directory: RunDirectory, tmp_path: Path
) -> None:
    step = roll_back(Project(WORKFLOW, tmp_path), "too noisy")
    assert (step.version, step.content, step.withdrawn) == (4, 2, 3)
    assert served_version(Project(WORKFLOW, tmp_path)).number == 4
    assert verify(directory.serving.path / "4").files == verify(directory.serving.path / "2").files
    assert roll_back(Project(WORKFLOW, tmp_path), "worse still").content == 1
    with pytest.raises(VersionError):
        roll_back(Project(WORKFLOW, tmp_path), "")
    ledger = list_versions(Project(WORKFLOW, tmp_path))
    assert [(r.version, r.failed) for r in ledger.versions] == [
        (1, ""),
        (2, ""),
        (3, "too noisy"),
        (4, "worse still"),
        (5, ""),
    ]


def test_a_version_that_failed_is_promoted_by_force_only(
    directory: RunDirectory, tmp_path: Path
) -> None:
    roll_back(Project(WORKFLOW, tmp_path), "too noisy")
    with pytest.raises(VersionError, match=r"3 .*: too noisy; --force"):
        promote(Project(WORKFLOW, tmp_path), 3)
    with pytest.raises(VersionError):
        promote(Project(WORKFLOW, tmp_path), 2)
    with pytest.raises(VersionError, match=r" 9 .* 1, 2, 3, 4"):
        promote(Project(WORKFLOW, tmp_path), 9)
    step = promote(Project(WORKFLOW, tmp_path), 3, force=True)
    assert (step.version, step.content) == (5, 3)
    assert [r.failed for r in read_ledger(directory.ledger).versions] == [""] * 5


def test_old_versions_go_but_never_what_a_rollback_needs(
    directory: RunDirectory, tmp_path: Path
) -> None:
    roll_back(Project(WORKFLOW, tmp_path), "too noisy")  # 4 is 2 again; before that comes 1
    assert reconcile(Project(make_workflow({"kind": "none"}, keep=1), tmp_path)) == []
    assert versions(directory) == [1, 4]
    with pytest.raises(VersionError, match="version 2 "):
        promote(Project(WORKFLOW, tmp_path), 2)
    assert make_version(directory.serving, "d").name == "5"


def test_a_damaged_version_is_neither_served_nor_exported(
    directory: RunDirectory, tmp_path: Path
) -> None:
    for version in ("2", "3"):
        (directory.serving.path / version / "saved_model.pb").write_text("flipped")
    with pytest.raises(VersionError, match=r"3 .*: saved_model\.pb"):
        load_model(Project(WORKFLOW, tmp_path))
    with pytest.raises(VersionError):
        roll_back(Project(WORKFLOW, tmp_path), "damaged")
    with pytest.raises(VersionError):
        export(Project(WORKFLOW, tmp_path), 2, tmp_path / "out")
    assert versions(directory) == [1, 2, 3]
    assert promote(Project(WORKFLOW, tmp_path), 1).version == 4


def test_an_export_holds_the_version(directory: RunDirectory, tmp_path: Path) -> None:
    target = tmp_path / "out"
    exported = export(Project(WORKFLOW, tmp_path), 2, target)
    assert (exported.version, exported.folder) == (2, str(target))
    assert verify(target) == verify(directory.serving.path / "2")
    with pytest.raises(InputError, match=str(target)):
        export(Project(WORKFLOW, tmp_path), 2, target)


@pytest.mark.parametrize("is_written_down", [False, True])
def test_a_killed_rollback_is_finished_by_the_same_command(
    directory: RunDirectory, tmp_path: Path, is_written_down: bool
) -> None:
    ledger = read_ledger(directory.ledger)
    begin_step(directory, ledger)
    restore_version(
        directory.serving.path / "2",
        directory.serving,
        content=2,
        min_version=3,
        withdraws=3,
        reason="bad",
    )
    if is_written_down:
        write_ledger(follow(ledger, directory.serving)[0], directory.ledger)
    step = roll_back(Project(WORKFLOW, tmp_path), "bad")
    assert [re.findall(r"version (\d)", each) for each in step.notes] == [["4", "2", "3"]]
    assert (step.version, step.content, step.withdrawn) == (4, 2, 3)
    assert versions(directory) == [1, 2, 3, 4]  # not one more back
    third = read_ledger(directory.ledger).find(3)
    assert third is not None
    assert third.failed == "bad"
    assert roll_back(Project(WORKFLOW, tmp_path), "bad too").content == 1


def test_a_killed_promotion_is_finished_by_the_same_command(
    directory: RunDirectory, tmp_path: Path
) -> None:
    serving = directory.serving
    begin_step(directory, read_ledger(directory.ledger))
    restore_version(serving / "1", serving, content=1, min_version=3, withdraws=None, reason="")
    step = promote(Project(WORKFLOW, tmp_path), 1)
    assert (step.version, step.content, step.withdrawn) == (4, 1, None)
    with pytest.raises(VersionError):
        promote(Project(WORKFLOW, tmp_path), 1)


def test_a_step_that_failed_or_was_undone_is_not_finished(
    directory: RunDirectory, tmp_path: Path
) -> None:
    (directory.serving.path / "2" / "saved_model.pb").write_text("flipped")
    with pytest.raises(VersionError):
        roll_back(Project(WORKFLOW, tmp_path), "bad")
    assert promote(Project(WORKFLOW, tmp_path), 1).content == 1
    begin_step(directory, read_ledger(directory.ledger))  # killed before a version appeared
    step = promote(Project(WORKFLOW, tmp_path), 3)
    assert (step.content, step.notes) == (3, [])


def test_a_lost_ledger_is_made_again(directory: RunDirectory, tmp_path: Path) -> None:
    roll_back(Project(WORKFLOW, tmp_path), "too noisy")
    before = read_ledger(directory.ledger)
    directory.ledger.path.unlink()
    reconcile(Project(WORKFLOW, tmp_path))
    assert read_ledger(directory.ledger) == before


def test_the_registry_follows(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = make_workflow({"kind": "mlflow", "uri": "http://127.0.0.1:9"})
    [said] = reconcile(Project(down, tmp_path))
    assert "http://127.0.0.1:9" in said
    assert reconcile(Project(REGISTERED, tmp_path)) == []
    roll_back(Project(REGISTERED, tmp_path), "too noisy")
    client = MlflowClient(f"sqlite:///{directory.local}/registry.sqlite")
    aliases = client.get_registered_model("digits").aliases
    assert {name: str(entry) for name, entry in aliases.items()} == {
        "candidate": "3",
        "champion": "4",
        "previous": "1",
    }
    assert client.get_model_version("digits", "3").tags["auricle.failed"] == "too noisy"
    assert client.get_model_version("digits", "4").tags["auricle.restores"] == "2"


def test_a_damaged_version_does_not_keep_the_registry_from_the_others(
    directory: RunDirectory, tmp_path: Path
) -> None:
    (directory.serving.path / "1" / "saved_model.pb").write_text("flipped")
    [said] = reconcile(Project(REGISTERED, tmp_path))  # none was registered before
    assert "changed: saved_model.pb" in said
    assert roll_back(Project(REGISTERED, tmp_path), "too noisy").content == 2
    client = MlflowClient(f"sqlite:///{directory.local}/registry.sqlite")
    made = client.search_model_versions("name = 'digits'")
    assert sorted(version.tags["auricle.version"] for version in made) == ["2", "3", "4"]
    assert client.get_model_version_by_alias("digits", "champion").tags["auricle.version"] == "4"


def test_the_commands(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    file = tmp_path / "workflow.yaml"
    file.write_text(
        "name: digits\ndata: {folder: clips}\nregistry: {kind: none}\n", encoding="utf-8"
    )

    def auricle(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    said = auricle("rollback", str(file), "--reason", "too noisy")
    assert re.findall(r"version (\d)", said) == ["2", "4", "3"]
    table = auricle("models", str(file)).splitlines()
    assert [line.split()[0] for line in table[1:]] == ["4", "3", "2", "1"]
    assert table[1].split()[-1] == "2"
    assert table[2].rstrip().endswith("failed: too noisy")
    assert "0.910" in table[4]
    assert '"champion"' not in auricle("models", str(file), "--json")
    assert re.findall(r"version (\d)", auricle("promote", str(file), "1")) == ["1", "5"]
    assert "Wrote" in auricle("export", str(file), "1", str(tmp_path / "out"))


def test_nothing_was_pushed_yet(tmp_path: Path) -> None:
    with pytest.raises(VersionError):
        roll_back(Project(WORKFLOW, tmp_path), "")
