"""Who was heard where: examples that hold a speaker's clips, and all that was made from them.

The lineage is that of the metadata store; whose clips they are is read from the records themselves.
A baseline is no lineage: a model that another was measured against taught it nothing.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.digests import DIGEST_PROPERTY
from components.versions.manifest import read_manifest
from components.versions.serving import pushed_versions
from pipeline.metadata import open_store
from pipeline.run_directory import RunDirectory
from schemas.errors import AuricleError, VersionError
from schemas.example import decode_example
from schemas.tfrecord import read_records

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_BASELINES = ("baseline", "baseline_model", "passed_before")
_TRAINED_ON = ("train", "eval")


@dataclass(frozen=True)
class Heard:
    """One examples artifact that holds clips of a speaker.

    `digest` is what it was sealed with, `versions` what was pushed of models trained on it, `made`
    all other artifacts made with it, by type.
    """

    folder: Path
    ids: frozenset[str]
    clips: dict[str, int]
    digest: str
    versions: frozenset[int]
    made: dict[str, list[Artifact]]

    @property
    def is_trained_on(self) -> bool:
        """Whether a model may have learnt from her clips, and was not only tested on them."""
        return any(self.clips.get(split) for split in _TRAINED_ON)


def find_heard(directory: RunDirectory, speaker: str) -> list[Heard]:
    """All examples that hold clips of `speaker`, the first ones first."""
    found = []
    store = open_metadata(directory)
    for folder in example_folders(directory):
        clips = dict(_clips_of(folder, speaker))
        if not clips:
            continue
        artifacts = _artifacts_at(store, folder) if store else []
        made: dict[str, list[Artifact]] = {}
        sources: set[str] = set()
        for artifact in artifacts:
            sources |= _sources(store, artifact) if store else set()
            for type_, each in _made_with(store, artifact) if store else ():
                made.setdefault(type_, []).append(each)
        pushed = {
            int(artifact.custom_properties["pushed_version"].string_value)
            for artifact in made.get("PushedModel", [])
            if "pushed_version" in artifact.custom_properties
        }
        digests = [_property(artifact, DIGEST_PROPERTY) for artifact in artifacts]
        found.append(
            Heard(
                folder=folder,
                ids=frozenset(clips),
                clips=dict(Counter(clips.values())),
                digest=next(iter(digests), ""),
                versions=frozenset(pushed | _versions_from(directory, sources)),
                made=made,
            )
        )
    return found


def example_folders(directory: RunDirectory) -> list[Path]:
    """The folders of all examples artifacts that are there, the first ones first."""
    folders = (directory.artifacts / "AudioExampleGen" / "examples").glob("*")
    return sorted((f for f in folders if f.name.isdecimal()), key=lambda folder: int(folder.name))


def example_files(folder: Path) -> list[Path]:
    """The TFRecord files of an examples artifact."""
    return sorted(folder.glob("Split-*/*tfrecord*"))


def is_of(record: bytes, speaker: str) -> bool:
    """Whether a record is an example of this speaker."""
    # Decoding every record of a large data set would take minutes.
    return speaker.encode() in record and decode_example(record)["speaker"] == speaker


def open_metadata(directory: RunDirectory) -> "MetadataStore | None":
    """The metadata store; None where nothing was run yet."""
    return open_store(directory.metadata) if directory.metadata.exists() else None


def _clips_of(folder: Path, speaker: str) -> Iterator[tuple[str, str]]:
    """Id and split of each clip of hers; what is behind damage in a file is not known."""
    for file in example_files(folder):
        with contextlib.suppress(AuricleError):
            for record in read_records(file):
                if is_of(record, speaker):
                    split = file.parent.name.removeprefix("Split-")
                    yield str(decode_example(record)["id"]), split


def _artifacts_at(store: "MetadataStore", folder: Path) -> list[Artifact]:
    return list(store.get_artifacts_by_uri(str(folder)))


def _sources(store: "MetadataStore", examples: Artifact) -> set[str]:
    """Digests of the indexes that examples were made from, which their models' manifests name."""
    events = store.get_events_by_artifact_ids([examples.id])
    made_by = {e.execution_id for e in events if e.type == metadata_store_pb2.Event.OUTPUT}
    return {
        found.string_value
        for execution in store.get_executions_by_id(made_by)
        for properties in (execution.properties, execution.custom_properties)
        if (found := properties.get("index_digest")) is not None
    }


def _made_with(store: "MetadataStore", examples: Artifact) -> Iterator[tuple[str, Artifact]]:
    """Type and artifact of all that was made with the examples, and what was made beside them."""
    event = metadata_store_pb2.Event
    types = {type_.id: type_.name for type_ in store.get_artifact_types()}
    known, executions = {examples.id}, set[int]()
    waiting = [examples.id]
    events = store.get_events_by_artifact_ids(waiting)
    runs = {e.execution_id for e in events if e.type == event.OUTPUT}
    while waiting or runs:
        for found in store.get_events_by_artifact_ids(waiting):
            is_baseline = found.path.steps and found.path.steps[0].key in _BASELINES
            if found.type == event.INPUT and not is_baseline:
                runs.add(found.execution_id)
        waiting = []
        for found in store.get_events_by_execution_ids(runs - executions):
            if found.type == event.OUTPUT and found.artifact_id not in known:
                known.add(found.artifact_id)
                waiting.append(found.artifact_id)
        executions |= runs
        runs = set()
    for artifact in store.get_artifacts_by_id(known - {examples.id}):
        yield types[artifact.type_id], artifact


def _versions_from(directory: RunDirectory, sources: set[str]) -> set[int]:
    versions = set()
    for folder in pushed_versions(directory.serving):
        with contextlib.suppress(VersionError):  # made by hand
            lineage = read_manifest(folder).lineage
            if lineage is not None and lineage.examples in sources:
                versions.add(int(folder.name))
    return versions


def _property(artifact: Artifact, name: str) -> str:
    found = artifact.custom_properties.get(name)
    return found.string_value if found is not None else ""
