"""A version that is not what was published is called damaged, and is neither loaded nor served
again, whatever was done to it.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from made_runs import Runs
from pushed import make_version
from typer.testing import CliRunner

from components.storage.digests import tree_digest
from components.storage.location import location_of
from components.versions.ledger import read_ledger, write_ledger
from pipeline.cli import app
from pipeline.inference.predict import load_model
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import export, find_damage, list_versions, promote, roll_back
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.errors import VersionError
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.versions import MANIFEST_FILE, MODEL_DIGEST_PROPERTY
from schemas.workflow.workflow import Workflow

BLOCKS = {"data": {"folder": "clips"}, "registry": {"kind": "none"}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With three versions, of which the last is served."""
    found = Project(Workflow.model_validate({"name": "digits", **BLOCKS}), tmp_path)
    with claim(found) as directory:
        for text in "abc":
            reconcile(found, int(make_version(directory.serving, text).name))
    return found


def swap_labels(version: Path) -> None:
    """In the card, and in the manifest, which then vouches for it."""
    card = version / MODEL_CARD_FILE
    card.write_text(card.read_text().replace('["one","two"]', '["two","one"]'))
    vouch(version, MODEL_CARD_FILE)


def vouch(version: Path, name: str) -> None:
    manifest = json.loads((version / MANIFEST_FILE).read_text())
    manifest["files"][name] = hashlib.sha256((version / name).read_bytes()).hexdigest()
    (version / MANIFEST_FILE).write_text(json.dumps(manifest))


def swap_weights(version: Path) -> None:
    (version / "saved_model.pb").write_text("another")
    vouch(version, "saved_model.pb")


def put_another_version_in_its_place(version: Path) -> None:
    shutil.rmtree(version)
    shutil.copytree(version.with_name("1"), version)


def link_to_another_version(version: Path) -> None:
    shutil.move(version, version.parent.parent / "elsewhere")
    version.symlink_to(version.parent.parent / "elsewhere")


def link_a_file(version: Path) -> None:
    """Which has the same content."""
    shutil.move(version / "saved_model.pb", version.parent.parent / "elsewhere")
    (version / "saved_model.pb").symlink_to(version.parent.parent / "elsewhere")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped file": lambda v: (v / "saved_model.pb").write_text("flipped"),
    "a missing file": lambda v: (v / "saved_model.pb").unlink(),
    "one file more": lambda v: (v / "notes.txt").write_text("mine"),
    "a linked file": link_a_file,
    "a linked folder": lambda v: (v / "assets").symlink_to(v.parent / "1"),
    "a broken link": lambda v: (v / "assets").symlink_to("nowhere"),
    "a pipe": lambda v: os.mkfifo(v / "assets"),
    "a linked version": link_to_another_version,
    "swapped labels": swap_labels,
    "swapped weights": swap_weights,
    "another version": put_another_version_in_its_place,
    "a cut manifest": lambda v: (v / MANIFEST_FILE).write_text("{"),
    "no manifest": lambda v: (v / MANIFEST_FILE).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_version_is_called_so_and_used_by_nobody(
    project: Project, tmp_path: Path, damage: str
) -> None:
    serving = project.run_directory.serving.path
    for version in ("2", "3"):
        DAMAGE[damage](serving / version)
    assert set(find_damage(list_versions(project), project.run_directory)) == {2, 3}
    for use in (
        lambda: load_model(project),
        lambda: load_model(project, 2),
        lambda: roll_back(project, "worse"),
        lambda: promote(project, 2),
        lambda: export(project, 2, tmp_path / "out"),
    ):
        with pytest.raises(VersionError, match=r"serving/[23]"):
            use()
    assert not (serving / "4").exists()
    assert promote(project, 1).content == 1
    assert load_model(project).version == 4


def test_models_names_what_is_damaged(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text("name: digits\ndata: {folder: clips}\nregistry: {kind: none}\n")
    whole = CliRunner().invoke(app, ["models", str(file)]).output
    assert "damaged" not in whole and "registry was not told" not in whole
    assert re.search(r"^3 .*champion", whole, re.M)
    swap_labels(project.run_directory.serving.path / "3")
    said = CliRunner().invoke(app, ["models", str(file)]).output
    assert re.search(r"^3 .*damaged", said, re.M)
    assert "champion" not in said
    (project.run_directory.serving.path / "9").mkdir()  # by hand: model servers would serve it
    said = CliRunner().invoke(app, ["models", str(file)]).output
    assert "serving/9 " in said and "serve version 9" in said
    file.write_text("name: digits\ndata: {folder: clips}\n")  # with a registry, never told
    assert "registry was not told" in CliRunner().invoke(app, ["models", str(file)]).output
    as_json = json.loads(CliRunner().invoke(app, ["models", str(file), "--json"]).output)
    assert set(as_json["damaged"]) == {"3", "9"}


def test_a_ledger_from_before_takes_down_what_it_finds_once(project: Project) -> None:
    directory = project.run_directory
    ledger = read_ledger(directory.ledger)
    for record in ledger.versions:
        ledger = ledger.changed(record.version, manifest_digest="")
    write_ledger(ledger, directory.ledger)
    assert load_model(project).version == 3
    with claim(project):
        assert reconcile(project) == []
    swap_labels(directory.serving.path / "3")
    with pytest.raises(VersionError):
        load_model(project)


def test_without_a_ledger_the_metadata_store_remembers(tmp_path: Path) -> None:
    """Labels and manifest swapped, and the ledger gone."""
    runs = Runs(tmp_path)
    serving = runs.directory.serving
    version = location_of(make_version(serving, "a", name="words"))
    [pushed] = runs.make("Pusher", {}, pushed_model=("PushedModel", {"pushed": b""}))
    pushed.custom_properties["pushed_version"].string_value = "1"
    pushed.custom_properties[MODEL_DIGEST_PROPERTY].string_value = tree_digest(version.path)
    runs.store.put_artifacts([pushed])
    with claim(runs.project):
        assert reconcile(runs.project, 1) == []
    runs.directory.ledger.delete()
    swap_labels(version.path)
    with claim(runs.project):
        notes = reconcile(runs.project)
    assert any(f"{version} is not what was published" in note for note in notes)
    with pytest.raises(VersionError):
        load_model(runs.project)
    assert set(find_damage(list_versions(runs.project), runs.directory)) == {1}
