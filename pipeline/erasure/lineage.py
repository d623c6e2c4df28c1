"""Who was heard where: examples that hold a speaker's clips, and all that was made from them.

The lineage is that of the metadata store; whose clips they are is read from the records themselves.
A baseline is no lineage: a model that another was measured against taught it nothing.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2
from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.example_gen.index import index_file, read_index, read_rows
from components.examples import read_file
from components.storage.digests import DIGEST_PROPERTY
from components.storage.location import Location, location_of
from components.versions.manifest import read_manifest
from components.versions.serving import pushed_versions
from pipeline.metadata.artifacts import (
    example_files,
    example_folders,
    folder_number,
    index_digests,
    is_of,
    open_metadata,
    pushed_version,
    text_property,
)
from pipeline.workspace.paths import RunDirectory
from schemas.errors import AuricleError, VersionError
from schemas.example import decode_example
from schemas.splits import TEST

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_BASELINES = ("baseline", "baseline_model", "passed_before")


@dataclass(frozen=True)
class SpeakerTrace:
    """One examples artifact that holds clips of a speaker.

    `clips` are their ids by split, `digest` is what it was sealed with, `versions` the published
    models trained on it, `made` all other artifacts made with it, by type.
    """

    folder: Location
    clips: dict[str, list[str]]
    digest: str
    versions: frozenset[int]
    made: dict[str, list[Artifact]]

    @property
    def ids(self) -> frozenset[str]:
        """Of all their clips."""
        return frozenset(itertools.chain(*self.clips.values()))

    @property
    def is_trained_on(self) -> bool:
        """Whether a model may have learnt from their clips, and was not only tested on them."""
        return any(clips for split, clips in self.clips.items() if split != TEST)


def trace_speaker(directory: RunDirectory, speaker: str) -> list[SpeakerTrace]:
    """All examples that held clips of `speaker`, the first ones first; of those that are deleted
    by now, the index says so.
    """
    found = []
    store = open_metadata(directory)
    for folder in sorted({*example_folders(directory), *_deleted(store)}, key=folder_number):
        artifacts = store.get_artifacts_by_uri(str(folder)) if store else []
        sources: set[str] = set()
        for artifact in artifacts:
            sources |= _sources(store, artifact) if store else set()
        own = _clips_of(folder, speaker)
        if not folder.has_files():
            own = _rows_of(directory, sources, speaker)
        clips: dict[str, list[str]] = {}
        for id_, split in own:
            clips.setdefault(split, []).append(id_)
        if not clips:
            continue
        made: dict[str, list[Artifact]] = {}
        for artifact in artifacts:
            for type_, each in _made_with(store, artifact) if store else ():
                made.setdefault(type_, []).append(each)
        pushed = {
            version
            for artifact in made.get("PushedModel", [])
            if (version := pushed_version(artifact)) is not None
        }
        digests = [text_property(artifact, DIGEST_PROPERTY) for artifact in artifacts]
        found.append(
            SpeakerTrace(
                folder=folder,
                clips=clips,
                digest=next(iter(digests), ""),
                versions=frozenset(pushed | _versions_from(directory, sources)),
                made=made,
            )
        )
    return found


def _clips_of(folder: Location, speaker: str) -> Iterator[tuple[str, str]]:
    """Id and split of each of their clips; what is behind damage in a file is not known."""
    for file in example_files(folder):
        with contextlib.suppress(AuricleError):
            for record in read_file(file):
                if is_of(record, speaker):
                    split = file.parent.name.removeprefix("Split-")
                    yield str(decode_example(record)["id"]), split


def _rows_of(
    directory: RunDirectory, sources: Iterable[str], speaker: str
) -> Iterator[tuple[str, str]]:
    """The same by the indexes with these digests."""
    for digest in sources:
        file = index_file(directory.index, digest)
        with contextlib.suppress(AuricleError, OSError), file.open() as lines:
            for shard in read_index(lines).shards:
                rows = [row for row in read_rows(lines, shard) if row["speaker"] == speaker]
                yield from ((row["id"], shard.split) for row in rows)


def _deleted(store: "MetadataStore | None") -> list[Location]:
    """Folders of examples that were deleted as old."""
    artifacts = store.get_artifacts_by_type("Examples") if store else []
    return [location_of(a.uri) for a in artifacts if a.state == Artifact.DELETED]


def _sources(store: "MetadataStore", examples: Artifact) -> set[str]:
    """Digests of the indexes that examples were made from, which their models' manifests name."""
    events = store.get_events_by_artifact_ids([examples.id])
    made_by = {e.execution_id for e in events if e.type == metadata_store_pb2.Event.OUTPUT}
    return index_digests(store.get_executions_by_id(made_by))


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
    for number, folder in pushed_versions(directory.serving):
        with contextlib.suppress(VersionError):  # made by hand
            lineage = read_manifest(folder).lineage
            if lineage is not None and lineage.examples in sources:
                versions.add(number)
    return versions
