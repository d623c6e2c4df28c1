"""The metadata store of a run directory that lies in an object store.

It is an SQLite file, which needs a disk. The run directory keeps a copy of it. Who holds the run
directory brings the copy here where another machine wrote it, and puts back what they changed. So
the next run reuses what any machine did, and a command that only reads knows of it.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from components.storage.digests import file_digest
from components.storage.location import Location, location_of
from pipeline.workspace.paths import RunDirectory


class _Note(BaseModel):
    """Which copy the file here was last the same as: its stamp in the store, and its SHA-256."""

    stamp: str = ""
    sha256: str = ""


@contextlib.contextmanager
def metadata_kept(directory: RunDirectory) -> Iterator[None]:
    """For who holds the run directory: brings the copy, and puts it back, also after an error."""
    bring_metadata(directory)
    try:
        yield
    except BaseException:
        try:
            _put_back(directory)
        except OSError as error:  # what went wrong before is what is said
            logging.getLogger(__name__).warning("the metadata store was not kept: %s", error)
        raise
    _put_back(directory)


def bring_metadata(directory: RunDirectory) -> None:
    """Makes the metadata store here the one that the run directory keeps, where another machine
    wrote it since.

    Raises:
        OSError: the store refuses.
    """
    if directory.root.is_local:
        return
    entry = _copy(directory).entry()
    if entry is None or entry.stamp == _read_note(directory).stamp:
        return
    file = directory.metadata
    for rest in (f"{file.name}-wal", f"{file.name}-shm"):  # of what is replaced
        location_of(file.with_name(rest)).delete()
    _copy(directory).copy_to(location_of(file))
    _note(directory, _Note(stamp=entry.stamp, sha256=file_digest(file)))


def _put_back(directory: RunDirectory) -> None:
    if directory.root.is_local or not location_of(directory.metadata).is_present():
        return
    note = _read_note(directory)
    with location_of(directory.local).storage.stage(str(directory.local)) as folder:
        draft = folder / directory.metadata.name
        with (
            contextlib.closing(sqlite3.connect(directory.metadata)) as source,
            contextlib.closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
        if (digest := file_digest(draft)) == note.sha256:
            return
        location_of(draft).copy_to(_copy(directory))
    entry = _copy(directory).entry()
    _note(directory, _Note(stamp=entry.stamp if entry else "", sha256=digest))


def _copy(directory: RunDirectory) -> Location:
    return directory.root / directory.metadata.name


def _note_file(directory: RunDirectory) -> Location:
    return location_of(directory.local / "metadata.kept")


def _note(directory: RunDirectory, note: _Note) -> None:
    _note_file(directory).put(note.model_dump_json().encode())


def _read_note(directory: RunDirectory) -> _Note:
    try:
        return _Note.model_validate_json(_note_file(directory).read())
    except (FileNotFoundError, ValidationError):
        return _Note()
