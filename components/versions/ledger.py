"""Keeps account of all versions, in one file that is replaced whole.

The serving directory is what counts: a version is there once its folder is. The ledger follows it,
so that a command that was killed in between is finished by the next one.
"""

from pathlib import Path

from pydantic import ValidationError

from components.storage.location import Location, location_of
from components.storage.trouble import STORE_REFUSED
from components.versions.manifest import read_manifest
from components.versions.serving import pushed_versions
from schemas.errors import VersionError
from schemas.versions import Ledger, Manifest, VersionRecord


def read_ledger(file: Path | Location) -> Ledger:
    """The ledger in `file`, which is empty where there is none yet.

    Raises:
        VersionError: it cannot be read.
    """
    try:
        return Ledger.model_validate_json(location_of(file).read())
    except FileNotFoundError:
        return Ledger()
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        raise VersionError(
            f"{file} is no ledger of versions ({str(error).partition(chr(10))[0]}); delete it, and"
            " it is made again from what lies in the serving directory"
        ) from error


def write_ledger(ledger: Ledger, file: Path | Location) -> None:
    """Replaces the ledger in `file`, whole or not at all, also if the power is cut."""
    location_of(file).put(ledger.model_dump_json(indent=2).encode())


def follow(
    ledger: Ledger, serving: Path | Location, expected: int | None = None
) -> tuple[Ledger, list[str]]:
    """The ledger of what lies in `serving` now; and what was found there that nobody told it.

    A version that is new there is taken up, with the one it withdraws, and is named unless it is
    `expected`; one that is gone is marked. A folder without a manifest was made by hand: it is
    named, and left alone.
    """
    is_lost = not ledger.versions
    notes, taken_up = [], []
    there = dict(pushed_versions(serving))
    for version, folder in there.items():
        known = ledger.find(version)
        if known is not None:
            if not known.is_there:
                ledger = ledger.changed(version, is_there=True)
            continue
        try:
            manifest = read_manifest(folder)
        except VersionError as error:
            notes.append(str(error))
            continue
        ledger = _with(ledger, version, manifest)
        if version != expected:
            taken_up.append(cut_off(version, manifest))
    if is_lost and len(taken_up) > 1:
        taken_up = [f"made the lost ledger of {len(taken_up)} versions again from {serving}"]
    for record in ledger.versions:
        if record.is_there and record.version not in there:
            notes.append(f"version {record.version} is no longer in {serving}")
            ledger = ledger.changed(record.version, is_there=False)
    return ledger, [*notes, *taken_up]


def cut_off(version: int, manifest: Manifest) -> str:
    """What a command did that was cut off before it could say so."""
    if manifest.restores is None:
        return f"finished what was cut off: version {version} is published"
    failed = f", version {manifest.withdraws} failed" if manifest.withdraws else ""
    what = f"version {version} serves the model of version {manifest.restores} again{failed}"
    return f"finished what was cut off: {what}"


def _with(ledger: Ledger, version: int, manifest: Manifest) -> Ledger:
    for same in ledger.versions:
        # Only a person's promotion serves a failed model again, and so forgives it.
        if same.failed and same.model_digest == manifest.model_digest:
            ledger = ledger.changed(same.version, failed="")
    if manifest.withdraws is not None:
        ledger = ledger.changed(manifest.withdraws, failed=manifest.reason)
    record = VersionRecord(
        version=version,
        push_id=manifest.push_id,
        created=manifest.created,
        model_digest=manifest.model_digest,
        content=manifest.restores or version,
    )
    return ledger.added(record)
