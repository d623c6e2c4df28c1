"""Tells the model registry of every training that was judged, published or not.

A run never fails for it: what the registry could not be told is told by the next run.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic_core import from_json

from pipeline.releases.reconcile import NEXT_TIME, tell_versions
from pipeline.releases.registry import note_agreement, open_registry
from pipeline.runs.records import RunRecord, read_newer
from pipeline.runs.trainings import read_training
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError, RegistryError, VersionError

if TYPE_CHECKING:
    from components.registry.mlflow import MlflowRegistry


def tell_registry(project: Project) -> list[str]:
    """Tells it of the versions, and of the runs that it was not told of; says where that failed.

    To be called by who holds the run directory.
    """
    if project.workflow.registry.kind == "none":
        return []
    registry = None
    notes: list[str] = []
    try:
        registry = tell_versions(project)
    except RegistryError as error:
        return [f"{error}{NEXT_TIME}"]  # nor would it be told of runs
    except VersionError as error:
        notes.append(f"{error}{NEXT_TIME}")
    try:
        notes += _tell_runs(project, registry)
        if registry is not None:
            note_agreement(project)
    except (RegistryError, InputError) as error:
        notes.append(f"{error}; the next run tells it of this one")
    return notes


def _tell_runs(project: Project, registry: "MlflowRegistry | None") -> Iterator[str]:
    directory = project.run_directory
    told = _told(directory)
    # With the last one told, which the first untold one is held against.
    records = read_newer(directory.history, told - 1)
    for before, record in zip([None, *records], records, strict=False):
        if record.number <= told:
            continue
        if before is None or not _is_judged_alike(record, before):
            try:
                training = read_training(record, directory)
            except (OSError, ValueError) as error:  # its files are damaged
                what = str(error).partition("\n")[0]
                yield f"the registry was not told of run {record.number}: {what}"
            else:
                if training is not None:
                    registry = registry or open_registry(project.workflow, directory)
                    registry.record(training)
        directory.told.put(json.dumps({"run": record.number}).encode())


def _told(directory: RunDirectory) -> int:
    """The last run that it was told of; 0 where it was told of none.

    Raises:
        InputError: its file was changed.
    """
    try:
        return int(from_json(directory.told.read())["run"])
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{directory.told} does not say of which run the registry was told last; delete it, and"
            " it is told of all once more"
        ) from error


def _is_judged_alike(record: RunRecord, before: RunRecord) -> bool:
    """Whether a run only found what the one before it had left."""
    return (record.scores, record.verdict, record.pushed_version) == (
        before.scores,
        before.verdict,
        before.pushed_version,
    )
