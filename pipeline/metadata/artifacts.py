"""Queries of the metadata store and of the examples on disk that several rooms ask."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata.proto.metadata_store_pb2 import Artifact, Execution

from components.examples import split_files
from pipeline.metadata.store import open_store
from pipeline.workspace.paths import RunDirectory
from schemas.example import decode_example

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def example_folders(directory: RunDirectory) -> list[Path]:
    """The folders of all examples artifacts that are there, the first ones first."""
    folders = (directory.artifacts / "AudioExampleGen" / "examples").glob("*")
    return sorted((folder for folder in folders if folder.name.isdecimal()), key=folder_number)


def example_files(folder: Path) -> list[Path]:
    """The TFRecord files of an examples artifact."""
    return split_files(sorted(folder.glob("Split-*")))


def is_of(record: bytes, speaker: str) -> bool:
    """Whether a record is an example of this speaker."""
    # Decoding every record of a large data set would take minutes.
    return speaker.encode() in record and decode_example(record)["speaker"] == speaker


def open_metadata(directory: RunDirectory) -> "MetadataStore | None":
    """The metadata store; None where nothing was run yet."""
    return open_store(directory.metadata) if directory.metadata.exists() else None


def folder_number(folder: Path) -> int:
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


def index_digests(executions: Iterable[Execution]) -> set[str]:
    """Digests of the indexes that executions of AudioExampleGen, among others, read."""
    return {
        found.string_value
        for execution in executions
        for properties in (execution.properties, execution.custom_properties)
        if (found := properties.get("index_digest")) is not None
    }
