"""The public Python interface as a notebook meets it: light, whole, typed and in the wheel."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import auricle

ROOT = Path(__file__).parents[1]
PACKAGES = ("auricle", "components", "pipeline", "schemas")


def test_every_name_is_there() -> None:
    assert dir(auricle) == sorted(auricle.__all__)
    for name in auricle.__all__:
        assert getattr(auricle, name).__name__ == name
    with pytest.raises(AttributeError, match="'trian'"):
        auricle.trian  # noqa: B018


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import json, sys, auricle; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & {"apache_beam", "numpy", "pydantic", "rich", "tensorflow", "tfx", "typer"}
    assert {name.partition(".")[0] for name in loaded} & set(PACKAGES) == {"auricle", "schemas"}


def test_a_file_and_a_project_are_taken_alike(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text("name: words\ndata: {generated: {}}\n")
    project = auricle.read_project(file)
    assert project == auricle.Project(auricle.read_workflow(file), tmp_path.resolve())
    first, *others = (
        auricle.plan(source).model_dump(exclude={"free_bytes"})
        for source in (project, file, str(file))
    )
    assert others == [first, first]
    with pytest.raises(auricle.InputError, match="words"):
        auricle.runs(file)
    with pytest.raises(auricle.InputError, match="words"):
        auricle.load_model(file)


def test_what_is_meant_to_run_elsewhere_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "workflow.yaml"
    file.write_text("name: words\ndata: {generated: {}}\nrun: {orchestrator: vertex}\n")
    with pytest.raises(auricle.InputError, match="`run`"):
        auricle.run(file)


def test_the_wheel_says_that_its_packages_are_typed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
