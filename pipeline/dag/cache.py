"""Makes TFX's cache safe: what is reused still is what was written, and what made it is unchanged.

TFX keys an execution on its inputs' ids and its parameters. Two things are added to that here: a
fingerprint of code, versions and real inputs as one more parameter of every component, and a
digest of every output artifact, checked before a run; an artifact that was changed, removed or
half written is withdrawn, which TFX answers by making it again.
"""

from collections.abc import Iterable, Iterator, Mapping

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.proto.orchestration import pipeline_pb2

from components.storage.contents import digest_folder
from components.storage.digests import DIGEST_PROPERTY, FileDigests
from components.storage.location import Location, location_of
from components.versions.serving import newest_version
from schemas.versions import MODEL_DIGEST_PROPERTY

PUSHED_DESTINATION_PROPERTY = "pushed_destination"  # TFX's name
FINGERPRINT_PARAMETER = "fingerprint"

_Artifact = metadata_store_pb2.Artifact
_Execution = metadata_store_pb2.Execution
_Event = metadata_store_pb2.Event


def key_components(pipeline: pipeline_pb2.Pipeline, fingerprints: Mapping[str, str]) -> None:
    """Puts each component's fingerprint among its parameters, and so into its cache key."""
    for node in pipeline.nodes:
        if fingerprint := fingerprints.get(node.pipeline_node.node_info.id):
            value = node.pipeline_node.parameters.parameters[FINGERPRINT_PARAMETER].field_value
            value.string_value = fingerprint


def seal_outputs(store: MetadataStore, execution_id: int, digests: FileDigests) -> None:
    """Writes the digest of everything an execution made beside it in the metadata."""
    artifacts = store.get_artifacts_by_id(_output_ids(store, execution_id))
    for artifact in artifacts:
        digest = digest_folder(artifact.uri, digests)
        artifact.custom_properties[DIGEST_PROPERTY].string_value = digest
    store.put_artifacts(artifacts)


def withdraw_changed(store: MetadataStore, digests: FileDigests, serving: Location) -> list[str]:
    """Withdraws every live artifact that no longer is what was sealed; returns their URIs.

    A published model also has to be what the serving directory holds as its newest version.
    """
    pushed_type = _type_id(store, "PushedModel")
    live = [a for a in store.get_artifacts() if a.state == _Artifact.LIVE]
    changed = [
        artifact
        for artifact in live
        if not _is_sealed(artifact, digests)
        or (artifact.type_id == pushed_type and not _is_served(artifact, digests, serving))
    ]
    for artifact in changed:
        artifact.state = _Artifact.MARKED_FOR_DELETION
    store.put_artifacts(changed)
    return [artifact.uri for artifact in changed]


def abandon_unfinished(store: MetadataStore, artifacts: Location) -> None:
    """Ends the executions a killed run left open and removes what they had half written.

    To be called while no other run can write: the executions found open have nobody behind them.
    """
    unfinished = [
        e
        for e in store.get_executions()
        if e.last_known_state in (_Execution.NEW, _Execution.RUNNING)
    ]
    for execution in unfinished:
        execution.last_known_state = _Execution.CANCELED
        for folder in _folders_of(artifacts, execution.id):
            folder.delete_all()
    store.put_executions(unfinished)


def _folders_of(artifacts: Location, execution_id: int) -> Iterator[Location]:
    """What an execution may have written: a folder below each component's outputs."""
    for component in artifacts.children()[1]:
        for key in (artifacts / component).children()[1]:
            yield artifacts / component / key / execution_id


def _is_sealed(artifact: metadata_store_pb2.Artifact, digests: FileDigests) -> bool:
    # Reading a property that is not there would put an empty one, which the store cannot write.
    if DIGEST_PROPERTY not in artifact.custom_properties:
        return False
    try:
        actual = digest_folder(artifact.uri, digests)
    except OSError:
        return False
    return bool(artifact.custom_properties[DIGEST_PROPERTY].string_value == actual)


def _is_served(
    artifact: metadata_store_pb2.Artifact, digests: FileDigests, serving: Location
) -> bool:
    if PUSHED_DESTINATION_PROPERTY not in artifact.custom_properties:
        return True  # refused by the gate: nothing to serve
    destination = artifact.custom_properties[PUSHED_DESTINATION_PROPERTY].string_value
    newest = newest_version(serving)
    if newest is None or location_of(destination) != newest.folder:
        return False
    sealed = artifact.custom_properties[MODEL_DIGEST_PROPERTY].string_value
    return digest_folder(destination, digests) == sealed


def _output_ids(store: MetadataStore, execution_id: int) -> Iterable[int]:
    events = store.get_events_by_execution_ids([execution_id])
    return [e.artifact_id for e in events if e.type == _Event.OUTPUT]


def _type_id(store: MetadataStore, name: str) -> int | None:
    return next((t.id for t in store.get_artifact_types() if t.name == name), None)
