"""The manifest of a version: the SHA-256 of every file, written before the version can be seen."""

import datetime
import uuid
from pathlib import Path

from pydantic import ValidationError

from components.storage.location import Location, location_of
from components.storage.trouble import STORE_REFUSED
from schemas.errors import VersionError
from schemas.reports.model_card import Lineage
from schemas.versions import MANIFEST_FILE, Manifest, VersionRecord, model_digest_of

_NAMED = 3  # files in an error message


def write_manifest(
    folder: Path,
    name: str,
    *,
    lineage: Lineage | None = None,
    parent: int | None = None,
    restores: int | None = None,
    withdraws: int | None = None,
    reason: str = "",
) -> Manifest:
    """Writes the manifest of all that lies in `folder`, which is to become a version."""
    manifest = Manifest(
        name=name,
        push_id=uuid.uuid4().hex,
        created=datetime.datetime.now(datetime.timezone.utc),
        files=_files(folder),
        lineage=lineage,
        parent=parent,
        restores=restores,
        withdraws=withdraws,
        reason=reason,
    )
    location_of(folder / MANIFEST_FILE).put(manifest.model_dump_json(indent=2).encode())
    return manifest


def read_manifest(folder: Path | Location) -> Manifest:
    """The manifest in a version's folder, which may not be true any more.

    Raises:
        VersionError: there is none that can be read.
    """
    try:
        return Manifest.model_validate_json((location_of(folder) / MANIFEST_FILE).read())
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        raise VersionError(
            f"{folder} has no manifest of a published version ({MANIFEST_FILE}): it was put there"
            " by hand, or damaged"
        ) from error


def verify(folder: Path | Location) -> Manifest:
    """Its manifest, where every file of the version is what was published, and there is no other.

    Raises:
        VersionError: names the files that changed, are missing, or were not published.
    """
    manifest = read_manifest(folder)
    try:
        found, irregular = _files(folder), location_of(folder).irregular()
    except OSError as error:
        raise VersionError(f"{folder} cannot be read: {error.strerror}") from error
    changed = [p for p, digest in manifest.files.items() if p in found and found[p] != digest]
    missing = sorted(set(manifest.files) - set(found))
    missing = sorted(set(missing) - set(irregular))
    strange = sorted(set(found) - set(manifest.files))
    wrong = [
        f"{what} {', '.join(paths[:_NAMED])}" + (" and more" if len(paths) > _NAMED else "")
        for what, paths in (
            ("changed:", sorted(changed)),
            ("missing:", missing),
            ("not published:", strange),
            ("a link, or no file:", irregular),
        )
        if paths
    ]
    if wrong:
        raise VersionError(f"{folder} is not what was published; {'; '.join(wrong)}")
    return manifest


def check_version(record: VersionRecord, folder: Path | Location) -> Manifest:
    """The manifest of a version, where it is what was published as `record`: a manifest that was
    changed with the files would vouch for itself.

    Raises:
        VersionError: it is not, or is damaged.
    """
    manifest = verify(folder)
    recorded = record.manifest_digest or manifest_digest(folder)
    if (record.push_id, record.model_digest, recorded) != (
        manifest.push_id,
        manifest.model_digest,
        manifest_digest(folder),
    ):
        raise VersionError(
            f"{folder} is not what was published as version {record.version}: another manifest is"
            " on record"
        )
    return manifest


def manifest_digest(folder: Path | Location) -> str:
    """SHA-256 of a version's manifest, and so of all its files.

    Raises:
        OSError: it cannot be read.
    """
    return (location_of(folder) / MANIFEST_FILE).sha256()


def digest_model(folder: Path | Location) -> str:
    """What `Manifest.model_digest` would be of the SavedModel in `folder`."""
    return model_digest_of(_files(folder))


def _files(folder: Path | Location) -> dict[str, str]:
    place = location_of(folder)
    passed_over = {MANIFEST_FILE, *place.irregular()}  # who opened a pipe would wait for a writer
    return {path: file.sha256() for path, file in place.files() if path not in passed_over}
