"""Tells the model registry of every training that was judged, published or not.

A run never fails for it: what the registry could not be told is told by the next run.
"""

import json
from typing import TYPE_CHECKING

from pipeline.releases.registry import open_registry
from pipeline.runs.records import RunRecord, read_newer
from pipeline.runs.trainings import read_training
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError, RegistryError

if TYPE_CHECKING:
    from components.registry.training import Training


def tell_registry(project: Project) -> list[str]:
    """Tells it of the runs that it was not told of; says where that failed.

    To be called by who holds the run directory.
    """
    workflow, directory = project.workflow, project.run_directory
    if workflow.registry.kind == "none":
        return []
    told = _told(directory)
    notes: list[str] = []
    registry = None
    try:
        # With the last one told, which the first untold one is held against.
        records = read_newer(directory.history, told - 1)
        for before, record in zip([None, *records], records, strict=False):
            if record.number <= told:
                continue
            training = None
            if before is None or not _is_judged_alike(record, before):
                training = _gather(record, directory, notes)
            if training is not None:
                registry = registry or open_registry(workflow, directory)
                registry.record(training)
            directory.told.put(json.dumps({"run": record.number}).encode())
    except (RegistryError, InputError) as error:
        notes.append(f"{error}; the next run tells it of this one")
    return notes


def _gather(record: RunRecord, directory: RunDirectory, notes: list[str]) -> "Training | None":
    """What a run judged; where its files are damaged, that is noted."""
    try:
        return read_training(record, directory)
    except (OSError, ValueError) as error:
        what = str(error).partition("\n")[0]
        notes.append(f"the registry was not told of run {record.number}: {what}")
        return None


def _told(directory: RunDirectory) -> int:
    """The last run that it was told of; 0 where it was told of none."""
    if not directory.told.is_present():
        return 0
    number: int = json.loads(directory.told.read())["run"]
    return number


def _is_judged_alike(record: RunRecord, before: RunRecord) -> bool:
    """Whether a run only found what the one before it had left."""
    return (record.scores, record.verdict, record.pushed_version) == (
        before.scores,
        before.verdict,
        before.pushed_version,
    )
