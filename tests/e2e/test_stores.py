"""Whole runs whose run directory and serving directory lie in object stores."""

import shutil
from pathlib import Path

import emulators
import pytest
from e2e.running import run
from e2e.tiny import write_workflow

from components.storage.location import location_of
from components.versions.manifest import verify
from components.versions.serving import pushed_versions

pytestmark = pytest.mark.e2e

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws-8f1c",
    "AWS_SESSION_TOKEN": "t0ken-of-aws-77aa",
}


def test_a_run_lives_in_stores_and_goes_on_elsewhere(
    project: Path, stores: emulators.Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    directory = location_of(f"{stores.bucket('s3')}/runs")  # one in `gs://`: `test_vertex_graph.py`
    served = f"{stores.bucket('gs')}/served"
    write_workflow(project, run={"directory": str(directory)}, push={"directory": served})
    first = run(project)
    assert first.pushed_to is not None
    assert str(first.pushed_to) == f"{served}/1"
    assert verify(location_of(served) / 1).name == "tones"
    assert location_of(str(first.report)).read().startswith(b"<!doctype html>")
    [here] = (project / "runs").iterdir()
    names = sorted(path.name for path in here.iterdir())
    assert "artifacts" not in names
    assert "metadata.sqlite" in names

    shutil.rmtree(here)  # as on another machine
    second = run(project)
    assert second.ran == []
    assert [version.number for version in pushed_versions(location_of(served))] == [1]

    planted = [secret.encode() for secret in SECRETS.values()]
    written = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    for place in (directory, location_of(served)):
        written += [file.read() for _, file in place.files()]
    assert not [secret for secret in planted for content in written if secret in content]
