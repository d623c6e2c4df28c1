"""The manifest of a version: the SHA-256 of every file, written before the version can be seen."""

import datetime
import uuid
from pathlib import Path

from pydantic import ValidationError

from components.storage.location import Location, location_of
from schemas.errors import VersionError
from schemas.reports.model_card import Lineage
from schemas.versions import MANIFEST_FILE, Manifest, model_digest_of

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
        found = _files(folder)
    except OSError as error:
        raise VersionError(f"{folder} cannot be read: {error.strerror}") from error
    changed = [p for p, digest in manifest.files.items() if p in found and found[p] != digest]
    missing = sorted(set(manifest.files) - set(found))
    strange = sorted(set(found) - set(manifest.files))
    wrong = [
        f"{what} {', '.join(paths[:_NAMED])}" + (" and more" if len(paths) > _NAMED else "")
        for what, paths in (
            ("changed:", sorted(changed)),
            ("missing:", missing),
            ("not published:", strange),
        )
        if paths
    ]
    if wrong:
        raise VersionError(f"{folder} is not what was published; {'; '.join(wrong)}")
    return manifest


def digest_model(folder: Path | Location) -> str:
    """What `Manifest.model_digest` would be of the SavedModel in `folder`."""
    return model_digest_of(_files(folder))


def _files(folder: Path | Location) -> dict[str, str]:
    files = location_of(folder).files()
    return {path: file.sha256() for path, file in files if path != MANIFEST_FILE}
