"""The serving directory is what counts: `reconcile` has ledger, metadata store and registry follow
the versions that lie there.

A version is there once its folder is. All else is made to agree with that by one function, after a
push as after a kill, so that the way that mends is the way that is always walked.
"""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2

from components.registry.sync import register_versions
from components.storage.location import Location
from components.storage.trouble import STORE_REFUSED
from components.versions.ledger import cut_off, follow, read_ledger, write_ledger
from components.versions.manifest import read_manifest
from components.versions.serving import pushed_versions, remove_leftovers, remove_version
from pipeline.metadata.artifacts import open_metadata, pushed_version
from pipeline.releases.record import note_manifests
from pipeline.releases.registry import agrees, note_agreement, open_registry
from pipeline.workspace.ownership import own_serving
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import RegistryError, RunDirectoryError, VersionError
from schemas.versions import Ledger

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

    from components.registry.mlflow import MlflowRegistry

NEXT_TIME = "; the next command registers what is missing there"


def reconcile(project: Project, expected: int | None = None, *, patient: bool = True) -> list[str]:
    """Has everything follow the serving directory, to which the caller may just have put the
    version `expected`; says what was found and mended.

    To be called by who holds the run directory. A registry that does not answer, or a version that
    is too damaged to be registered, is named and tried again the next time: neither may stand in
    the way of a rollback, for which nobody is `patient` with a registry.
    """
    notes = settle(project, expected)
    try:
        if tell_versions(project, patient=patient) is not None:
            note_agreement(project)
    except (RegistryError, VersionError) as error:
        notes.append(f"{error}{NEXT_TIME}")
    project.run_directory.step.delete()
    return notes


def settle(project: Project, expected: int | None = None) -> list[str]:
    """The same without the registry, and with a step that was begun still to be ended."""
    notes = []
    workflow, directory = project.workflow, project.run_directory
    begun = read_step(directory)
    if expected is not None or pushed_versions(directory.serving):
        own_serving(project)
    if remove_leftovers(directory.serving):
        notes.append(f"removed what a killed push left half-written in {directory.serving}")
    before = read_ledger(directory.ledger)
    ledger, found = follow(before, directory.serving, expected)
    notes += found
    if begun is not None and expected is None:
        notes += _written_down_only(before, begun, directory.serving)
    ledger, found = note_manifests(ledger, directory)
    notes += found
    ledger = _remove_old(ledger, directory.serving, workflow.push.keep)
    ledger = _tell_metadata(ledger, directory)
    if ledger != before:
        write_ledger(ledger, directory.ledger)
    return notes


def tell_versions(project: Project, *, patient: bool = True) -> "MlflowRegistry | None":
    """Has the registry say what the ledger says, whatever somebody did to it meanwhile, and returns
    it; None where there is none, or nothing that it should know and does not.

    Raises:
        RegistryError: it does not answer.
        VersionError: a version is too damaged to be registered; the others are.
    """
    workflow, directory = project.workflow, project.run_directory
    ledger = read_ledger(directory.ledger)
    if workflow.registry.kind == "none" or not ledger.versions or agrees(project):
        return None
    registry = open_registry(workflow, directory, patient=patient)
    if registry.is_new:  # another one, or an empty one: it knows nothing of trainings either
        directory.told.delete()
    register_versions(registry, ledger, directory.serving, directory.ledger)
    return registry


def begin_step(directory: RunDirectory, ledger: Ledger) -> None:
    """Notes that a rollback or promotion begins, which `reconcile` ends."""
    directory.step.put(str(ledger.newest).encode())


def read_step(directory: RunDirectory) -> int | None:
    """The newest version before a rollback or promotion that did not end; None where all did.

    Raises:
        RunDirectoryError: its file was changed.
    """
    try:
        return int(directory.step.read())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except STORE_REFUSED:
        raise
    except (OSError, ValueError) as error:
        raise RunDirectoryError(
            f"{directory.step} does not say from where a rollback or promotion began; delete it,"
            " and see in `auricle models` what is served"
        ) from error


def _written_down_only(ledger: Ledger, begun: int, serving: Location) -> Iterator[str]:
    """Says what a step had done that was cut off when only its own words were missing."""
    for record in ledger.versions:
        if record.version > begun:
            with contextlib.suppress(VersionError):  # damaged since
                yield cut_off(record.version, read_manifest(serving / record.version))


def _remove_old(ledger: Ledger, serving: Location, keep: int) -> Ledger:
    """Keeps the newest versions, the champion among them, and what a rollback goes back to."""
    there = [record for record in ledger.versions if record.is_there]
    for record in there[:-keep]:
        if record != ledger.previous:
            remove_version(serving / record.version)
            ledger = ledger.changed(record.version, is_there=False)
    return ledger


def _tell_metadata(ledger: Ledger, directory: RunDirectory) -> Ledger:
    """Takes the blessing from models that failed: none is compared with, or published again."""
    for record in ledger.versions:
        is_good = not ledger.why_failed(record.model_digest)
        if record.is_blessed != is_good:
            _bless(directory, record.version, is_good)
            ledger = ledger.changed(record.version, is_blessed=is_good)
    return ledger


def _bless(directory: RunDirectory, version: int, is_blessed: bool) -> None:
    """Sets whether the model that was published as `version` counts as blessed."""
    store = open_metadata(directory)
    if store is None:
        return
    blessings = list(_blessings_of(store, version))
    for blessing in blessings:
        blessing.custom_properties["blessed"].int_value = int(is_blessed)
    store.put_artifacts(blessings)


def _blessings_of(store: "MetadataStore", version: int) -> Iterator[metadata_store_pb2.Artifact]:
    types = {type_.id: type_.name for type_ in store.get_artifact_types()}
    pushed = [
        artifact.id
        for artifact in store.get_artifacts()
        if types[artifact.type_id] == "PushedModel" and pushed_version(artifact) == version
    ]
    executions = {event.execution_id for event in store.get_events_by_artifact_ids(pushed)}
    inputs = {
        event.artifact_id
        for event in store.get_events_by_execution_ids(executions)
        if event.type == metadata_store_pb2.Event.INPUT
    }
    for artifact in store.get_artifacts_by_id(inputs):
        if types[artifact.type_id] == "ModelBlessing":
            yield artifact
