"""Has a registry follow the ledger, whether a version was published here or on Vertex AI."""

from pathlib import Path

from components.registry.interface import Registration, Registry
from components.storage.location import Location, location_of
from components.versions.ledger import write_ledger
from components.versions.manifest import verify
from components.versions.model_card import read_card
from schemas.errors import VersionError
from schemas.reports.verdict import read_verdict
from schemas.versions import CARD_FILE, VERSION_VERDICT_FILE, Ledger, VersionRecord


def register_versions(
    registry: Registry, ledger: Ledger, serving: Path | Location, ledger_file: Path | Location
) -> None:
    """Registers what is not registered, tags what failed, and sets the aliases.

    What was done is written to `ledger_file` version by version. A damaged version keeps neither
    the others from being registered nor the aliases from moving.

    Raises:
        RegistryError: the registry does not answer.
        VersionError: a version is not what was published; raised when all else is done.
    """
    damaged: VersionError | None = None
    for record in ledger.versions:
        if record.entry is None and record.is_there:
            try:
                registration = _registration(record, location_of(serving), ledger)
            except VersionError as error:
                damaged = error
                continue
            entry = registry.register(registration)
            ledger = ledger.changed(record.version, entry=entry)
            write_ledger(ledger, ledger_file)
        known = ledger.find(record.version)
        assert known is not None
        if known.entry is not None and (tags := _tags(known)):
            registry.annotate(known.entry, tags)
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
    write_ledger(ledger.model_copy(update={"registered_state": ledger.state}), ledger_file)


def _registration(record: VersionRecord, serving: Location, ledger: Ledger) -> Registration:
    folder = serving / record.version
    manifest = verify(folder)
    first = ledger.find(record.content)
    return Registration(
        version=record.version,
        folder=folder,
        manifest=manifest,
        card=read_card(folder),
        verdict=read_verdict(folder / VERSION_VERDICT_FILE),
        card_text=(folder / CARD_FILE).read().decode(),
        same_as=first.entry if first is not None and first is not record else None,
    )


def _tags(record: VersionRecord) -> dict[str, str]:
    tags = {"auricle.failed": record.failed, "auricle.replace": record.replace}
    return {key: value for key, value in tags.items() if value}
