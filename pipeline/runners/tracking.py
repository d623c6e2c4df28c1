"""Tells the model registry of every training that was judged, published or not.

A run never fails for it: what the registry could not be told is told by the next run.
"""

import json

from pipeline.releases.registry import open_registry
from pipeline.runs.records import RunRecord, read_newer
from pipeline.runs.trainings import read_training
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError, RegistryError


def tell_registry(project: Project) -> list[str]:
    """Tells it of the runs that it was not told of; says where that failed.

    To be called by who holds the run directory.
    """
    workflow, directory = project.workflow, project.run_directory
    if workflow.registry.kind == "none":
        return []
    registry = None
    try:
        before: RunRecord | None = None
        for record in read_newer(directory.history, max(0, _told(directory) - 1)):
            is_told = record.number <= _told(directory)
            if not is_told and not (before and _judged_alike(record, before)):
                training = read_training(record, directory)
                if training is not None:
                    registry = registry or open_registry(workflow, directory)
                    registry.record(training)
            if not is_told:
                directory.told.put(json.dumps({"run": record.number}).encode())
            before = record
    except (RegistryError, InputError) as error:
        return [f"{error}; the next run tells it of this one"]
    return []


def _told(directory: RunDirectory) -> int:
    """The last run that it was told of; 0 where it was told of none."""
    if not directory.told.is_present():
        return 0
    number: int = json.loads(directory.told.read())["run"]
    return number


def _judged_alike(record: RunRecord, before: RunRecord) -> bool:
    """Whether a run only found what the one before it had left."""
    return (record.scores, record.verdict, record.pushed_version) == (
        before.scores,
        before.verdict,
        before.pushed_version,
    )
