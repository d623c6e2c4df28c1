"""Opens the model registry that a workflow names, and takes back what it must not keep."""

import contextlib
from typing import TYPE_CHECKING

from components.registry.embedded import agreement
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import RegistryError
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from components.registry.mlflow import MlflowRegistry


def open_registry(
    workflow: Workflow, directory: RunDirectory, *, patient: bool = True
) -> "MlflowRegistry":
    """The server that the workflow names, or the database of the run directory. A server that is
    asked without being `patient` gets a few seconds in all.

    Raises:
        RegistryError: it does not answer, or its files cannot be written.
    """
    from components.registry.mlflow import MlflowRegistry

    if workflow.registry.uri is not None:
        return MlflowRegistry(workflow.name, workflow.registry.uri, patient=patient)
    return MlflowRegistry.embedded(workflow.name, directory.local)


def agrees(project: Project) -> bool:
    """Whether nobody was at ledger or registry since `note_agreement`, as far as can be told
    without MLflow; never of a server.
    """
    noted = b""
    with contextlib.suppress(OSError):
        noted = project.run_directory.agreed.read()
    return bool(noted) and noted == _agreement(project)


def note_agreement(project: Project) -> None:
    """Notes that ledger and registry say the same."""
    if state := _agreement(project):
        project.run_directory.agreed.put(state)


def _agreement(project: Project) -> bytes:
    directory = project.run_directory
    if project.workflow.registry.uri is not None:
        return b""
    return agreement(project.name, directory.local, directory.ledger)


def delete_reports(project: Project, data: set[str]) -> list[str]:
    """Deletes the reports on data with these digests that the registry was given; says how many.

    Raises:
        RegistryError: it does not answer.
    """
    workflow, directory = project.workflow, project.run_directory
    if workflow.registry.kind == "none" or not data:
        return []
    if workflow.registry.uri is None and not (directory.root / "registry.sqlite").is_present():
        return []
    try:
        deleted = open_registry(workflow, directory).delete_reports(data)
    except RegistryError as error:
        raise RegistryError(
            f"{error}; the reports that it was given still play the clips, so nothing was removed"
            " yet: give the same command again"
        ) from error
    return [f"deleted {deleted:,} reports in the model registry"] if deleted else []
