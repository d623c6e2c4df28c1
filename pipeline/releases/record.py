"""Takes down what a version is when it is first met, so that later it can be told from another.

A version from before this was taken down, or whose ledger was lost, is held against what the
metadata store was told when it was pushed.
"""

from typing import TYPE_CHECKING

from components.storage.contents import digest_folder
from components.storage.location import Location
from components.versions.manifest import manifest_digest
from pipeline.metadata.artifacts import open_metadata, pushed_version, text_property
from pipeline.workspace.paths import RunDirectory
from schemas.versions import MODEL_DIGEST_PROPERTY, Ledger, VersionRecord

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def note_manifests(ledger: Ledger, directory: RunDirectory) -> tuple[Ledger, list[str]]:
    """The ledger with the digests of the manifests that it does not know yet; and a word on each
    version that is not what was published.
    """
    notes = []
    unknown = [each for each in ledger.versions if each.is_there and not each.manifest_digest]
    sealed = _sealed(directory) if any(map(_is_pushed, unknown)) else {}
    for record in unknown:
        folder = directory.serving / record.version
        try:
            digest = manifest_digest(folder)
        except OSError:
            continue  # who loads it says so
        if _is_pushed(record) and not _is_sealed(folder, sealed.get(record.version)):
            notes.append(f"{folder} is not what was published: another digest is on record")
            digest = f"not {digest}"
        ledger = ledger.changed(record.version, manifest_digest=digest)
    return ledger, notes


def _is_pushed(record: VersionRecord) -> bool:
    """By a run: nothing else is in the metadata store."""
    return record.content == record.version


def _is_sealed(folder: Location, sealed: str | None) -> bool:
    """Whether a version is what was sealed; also where nothing is known of that."""
    return sealed is None or digest_folder(folder) == sealed


def _sealed(directory: RunDirectory) -> dict[int, str]:
    """Digests of whole versions, by version."""
    store: MetadataStore | None = open_metadata(directory)
    pushed = store.get_artifacts_by_type("PushedModel") if store else []
    digests = {pushed_version(each): text_property(each, MODEL_DIGEST_PROPERTY) for each in pushed}
    return {version: digest for version, digest in digests.items() if version and digest}
