"""The metadata store of a run directory: opened, and brought up to this version of ML Metadata."""

import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2

from schemas.errors import RunDirectoryError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_LONGEST_WAIT_S = 120.0
_OF_THE_DISK = ("disk I/O error", "disk is full", "readonly database", "unable to open")
_LOOK_S = 1.0  # as long each look waits itself


def open_store(file: Path) -> "MetadataStore":
    """The store in an SQLite file, which is made where there is none.

    While another process holds it, this waits, and says so.

    Raises:
        RunDirectoryError: it is of another version of ML Metadata, or damaged, or held for longer
            than two minutes.
    """
    _wait_until_free(file)
    return _open(file, migrate=False)


def prepare_store(file: Path) -> list[str]:
    """Makes the store ready for a run, and says what was done to it.

    One of an older version is migrated, after a copy of it was made beside it. It is written ahead,
    so that a reader and a run do not wait for each other.

    Raises:
        RunDirectoryError: it is of a newer version, or damaged, or held by another process.
    """
    _wait_until_free(file)
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


def _wait_until_free(file: Path) -> None:
    """Returns once a transaction could begin. ML Metadata waits too, but says nothing and gives up
    earlier, with words that sound like damage.
    """
    end_s = time.monotonic() + _LONGEST_WAIT_S
    is_said = False
    with contextlib.suppress(sqlite3.DatabaseError):  # what is not there, or is none: `_open` says
        uri = f"{file.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, _LOOK_S, uri=True)) as connection:
            while not _is_free(connection):
                if time.monotonic() > end_s:
                    raise RunDirectoryError(
                        f"{file} is held by another process, for more than {_LONGEST_WAIT_S:g} s;"
                        f" end it (`fuser {file}` says which it is), and run this again"
                    )
                if not is_said:
                    logging.getLogger(__name__).warning(
                        "%s is held by another process; waiting up to %g s", file, _LONGEST_WAIT_S
                    )
                is_said = True


def _is_free(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise
    connection.rollback()
    return True


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
    if any(words in what for words in _OF_THE_DISK):
        return f"{file} cannot be written: {what}. See to the disk (df -h, df -i, mount); run again"
    return (
        f"{file} cannot be used: {what}. Run with the version of auricle that wrote it, or move it"
        " away: the next run then does everything anew, and versions and history stay"
    )
