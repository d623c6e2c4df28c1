"""Queries of the metadata store and of the examples on disk that several rooms ask."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ml_metadata.proto.metadata_store_pb2 import Artifact, Event, Execution

from components.examples import split_files
from components.storage.location import Location
from pipeline.metadata.store import open_store
from pipeline.workspace.kept_metadata import bring_metadata
from pipeline.workspace.paths import RunDirectory
from schemas.example import decode_example

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def example_folders(directory: RunDirectory) -> list[Location]:
    """The folders of all examples artifacts that are there, the first ones first."""
    examples = directory.artifacts / "AudioExampleGen" / "examples"
    folders = (examples / name for name in examples.children()[1] if name.isdecimal())
    return sorted(folders, key=folder_number)


def example_files(folder: Location) -> list[Location]:
    """The TFRecord files of an examples artifact."""
    names = folder.children()[1]
    return split_files(folder / name for name in names if name.startswith("Split-"))


def is_of(record: bytes, speaker: str) -> bool:
    """Whether a record is an example of this speaker."""
    # Decoding every record of a large data set would take minutes.
    return speaker.encode() in record and decode_example(record)["speaker"] == speaker


def open_metadata(directory: RunDirectory) -> "MetadataStore | None":
    """The metadata store, as the run directory has it; None where nothing was run yet."""
    bring_metadata(directory)
    return open_store(directory.metadata) if directory.metadata.exists() else None


def folder_number(folder: Location) -> int:
    """The execution that an artifact's folder is of."""
    return int(folder.name)


def text_property(artifact: Artifact, name: str) -> str:
    """A custom property; empty where there is none, which indexing would make and never store."""
    found = artifact.custom_properties.get(name)
    return found.string_value if found is not None else ""


def pushed_version(pushed: Artifact) -> int | None:
    """The version that a PushedModel became; None where nothing was pushed."""
    text = text_property(pushed, "pushed_version")
    return int(text) if text else None


def made_by(store: "MetadataStore", artifacts: Iterable[Artifact]) -> set[int]:
    """The executions that put out one of the artifacts."""
    return _executions(store, artifacts, Event.OUTPUT)


def used_by(store: "MetadataStore", artifacts: Iterable[Artifact]) -> set[int]:
    """The executions that took one of the artifacts."""
    return _executions(store, artifacts, Event.INPUT)


def taken(store: "MetadataStore", executions: Iterable[int]) -> dict[str, Artifact]:
    """What executions took, by key; of several the newest."""
    return _by_key(store, executions, Event.INPUT)


def put_out(store: "MetadataStore", executions: Iterable[int]) -> dict[str, Artifact]:
    """What executions put out, by key; of several the newest."""
    return _by_key(store, executions, Event.OUTPUT)


def _executions(store: "MetadataStore", artifacts: Iterable[Artifact], kind: int) -> set[int]:
    events = store.get_events_by_artifact_ids([artifact.id for artifact in artifacts])
    return {event.execution_id for event in events if event.type == kind}


def _by_key(store: "MetadataStore", executions: Iterable[int], kind: int) -> dict[str, Artifact]:
    keys = {
        event.artifact_id: event.path.steps[0].key
        for event in store.get_events_by_execution_ids(executions)
        if event.type == kind and event.path.steps
    }
    found = sorted(store.get_artifacts_by_id(keys), key=lambda artifact: artifact.id)
    return {keys[artifact.id]: artifact for artifact in found}


def index_digests(executions: Iterable[Execution]) -> set[str]:
    """Digests of the indexes that executions of AudioExampleGen, among others, read."""
    return {
        found.string_value
        for execution in executions
        for properties in (execution.properties, execution.custom_properties)
        if (found := properties.get("index_digest")) is not None
    }
