"""Has a registry follow the ledger, whether a version was published here or on Vertex AI."""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from components.registry.interface import STATE_TAGS, Registration, Registry, origin_tags
from components.storage.location import Location, location_of
from components.versions.ledger import write_ledger
from components.versions.manifest import check_version, manifest_digest, read_manifest
from components.versions.model_card import read_card
from schemas.errors import VersionError
from schemas.reports.verdict import read_verdict
from schemas.versions import CARD_FILE, VERSION_VERDICT_FILE, Ledger, VersionRecord


def register_versions(
    registry: Registry, ledger: Ledger, serving: Path | Location, ledger_file: Path | Location
) -> None:
    """Has the registry say what the ledger says, whatever somebody did to either: registers what is
    not registered, or is no longer, sets tags and aliases.

    What was done is written to `ledger_file` version by version. A damaged version keeps neither
    the others from being registered nor the aliases from moving.

    Raises:
        RegistryError: the registry does not answer.
        VersionError: a version is not what was published; raised when all else is done.
    """
    before, damaged, serving = ledger, None, location_of(serving)
    entries = registry.entries({r.push_id for r in ledger.versions if r.is_there})
    for record in ledger.versions:
        entry = entries.get(record.push_id)
        if entry is None and record.is_there:
            try:
                entry = registry.register(_registration(record, serving, ledger))
            except VersionError as error:
                damaged = error
        if entry != record.entry:
            ledger = ledger.changed(record.version, entry=entry)
            write_ledger(ledger, ledger_file)
        if entry is not None:
            registry.annotate(entry, _tags(record, serving))
    aliases = {
        "candidate": ledger.candidate,
        "champion": ledger.champion,
        "previous": ledger.previous,
    }
    registry.point(
        {name: record.entry for name, record in aliases.items() if record and record.entry}
    )
    if damaged is not None:
        raise damaged
    ledger = ledger.model_copy(update={"registered_state": ledger.state})
    if ledger != before:
        write_ledger(ledger, ledger_file)


def _registration(record: VersionRecord, serving: Location, ledger: Ledger) -> Registration:
    folder = serving / record.version
    manifest = check_version(record, folder)
    first = ledger.find(record.content)
    try:
        return Registration(
            version=record.version,
            folder=folder,
            manifest=manifest,
            card=read_card(folder),
            verdict=read_verdict(folder / VERSION_VERDICT_FILE),
            card_text=(folder / CARD_FILE).read().decode(),
            same_as=first.entry if first is not None and first is not record else None,
        )
    except (OSError, ValueError) as error:  # published without them, by other means than a run
        what = str(error).partition("\n")[0]
        raise VersionError(f"{folder} cannot be registered: {what}") from error


def _tags(record: VersionRecord, serving: Location) -> dict[str, str]:
    """What its entry says: where it comes from, as long as it is there, and what became of it."""
    tags = dict(zip(STATE_TAGS, (record.failed, record.replace), strict=True))
    folder = serving / record.version
    # A damaged version says nothing; what its entry says of it stays.
    with contextlib.suppress(VersionError, OSError, ValidationError):
        if record.is_there and record.manifest_digest in ("", manifest_digest(folder)):
            manifest, verdict = read_manifest(folder), read_verdict(folder / VERSION_VERDICT_FILE)
            tags |= origin_tags(record.version, manifest, verdict)
    return {key: value for key, value in tags.items() if value}
