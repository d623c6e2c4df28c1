"""The metadata store of a run directory: opened, and brought up to this version of ML Metadata."""

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2

from schemas.errors import RunDirectoryError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore


def open_store(file: Path) -> "MetadataStore":
    """The store in an SQLite file, which is made where there is none.

    Raises:
        RunDirectoryError: it is of another version of ML Metadata, or damaged.
    """
    return _open(file, migrate=False)


def prepare_store(file: Path) -> list[str]:
    """Makes the store ready for a run, and says what was done to it.

    One of an older version is migrated, after a copy of it was made beside it. It is written ahead,
    so that a reader and a run do not wait for each other.

    Raises:
        RunDirectoryError: it is of a newer version, or damaged.
    """
    with contextlib.closing(sqlite3.connect(file)) as connection:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.DatabaseError as error:
            raise RunDirectoryError(_way_out(file, str(error))) from error
    try:
        _open(file, migrate=False)
        return []
    except RunDirectoryError as error:
        if "is older than library version" not in str(error):
            raise
    copy = file.with_name(f"{file.stem}.before-migration{file.suffix}")
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
    _open(file, migrate=True)
    return [f"{file.name} was of an older version and was migrated; {copy.name} is as it was"]


def _open(file: Path, migrate: bool) -> "MetadataStore":
    from ml_metadata.metadata_store import MetadataStore

    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(file)
    try:
        return MetadataStore(config, enable_upgrade_migration=migrate)
    except RuntimeError as error:
        raise RunDirectoryError(_way_out(file, str(error))) from error


def _way_out(file: Path, what: str) -> str:
    what = what.partition(". ")[0]
    return (
        f"{file} cannot be used: {what}. Run with the version of auricle that wrote it, or move it"
        " away: the next run then does everything anew, and versions and history stay"
    )
