"""A project whose run directory keeps what it keeps in an object store, for tests."""

from pathlib import Path

from fake_store import FakeStore

from components.storage.location import location_of, register_scheme
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project


def put_on_store(project: Project, objects: Path) -> Project:
    """The same project; the store's objects lie in the folder `objects`."""
    register_scheme("fake", lambda: FakeStore(objects))
    root = location_of("fake://bucket/runs")
    directory = RunDirectory(root, root / "serving", project.run_directory.local)
    project.__dict__["run_directory"] = directory  # where it is remembered once it is known
    return project
