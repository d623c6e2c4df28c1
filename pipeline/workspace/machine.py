"""What the machine refused a command, in words: a full disk, a folder that may not be written, a
database that another process holds. None of it is a fault of Auricle.
"""

import contextlib
import errno
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator

from components.storage.trouble import STORE_REFUSED
from schemas.errors import RunDirectoryError

_FULL = (errno.ENOSPC, errno.EDQUOT)
# TensorFlow, SQLite, ML Metadata and Beam wrap the error and leave only its words.
_FULL_WORDS = ("No space left on device", "disk is full", "Disk quota exceeded")
_READ_ONLY_WORDS = ("Read-only file system", "readonly database")
_LOCKED_WORDS = ("database is locked", "Concurrent writes aborted")
_DAMAGED_WORDS = ("file is not a database", "malformed", "no such table")
_MANY_FILES = (errno.EMFILE, errno.ENFILE)
# What no mistake of ours can cause.
_REFUSALS = (
    *_FULL, *_MANY_FILES, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG,
    errno.ENOMEM, errno.ESTALE, errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip


def machine_fault(error: BaseException) -> RunDirectoryError | None:
    """What the machine refused, and the way on; None where it was something else."""
    for each in _chain(error):
        said = _of_system(each) if isinstance(each, OSError) else _of_library(each)
        if said:
            return RunDirectoryError(said)
    return None


def may_be_ours(error: BaseException) -> bool:
    """Whether what `machine_fault` found could as well be a mistake of Auricle: a file that is not
    there, or is there already.
    """
    found = [each for each in _chain(error) if isinstance(each, OSError)]
    if any(isinstance(each, STORE_REFUSED) for each in found):
        return False
    codes = [_code(each) for each in found]
    return bool(codes) and not any(code in _REFUSALS for code in codes)


def is_full(error: BaseException) -> bool:
    """Whether a disk was full, or had no room for another file."""
    return any(
        (isinstance(each, OSError) and each.errno in _FULL) or _has(each, _FULL_WORDS)
        for each in _chain(error)
    )


def _of_system(error: OSError) -> str:
    what = _place(error)
    if isinstance(error, shutil.Error):  # of a whole folder: each file with its own reason
        return f"{_first_of(error)}. Mend that, and run it again"
    if error.errno in _FULL:
        return _full(what or "a file", error)
    if error.errno in _MANY_FILES:
        return "too many files are open; raise the limit (`ulimit -n`), and run it again"
    if what and error.strerror:
        return f"{what}: {error.strerror}. Mend that, and run it again"
    if error.errno in (errno.EROFS, errno.EIO, errno.EFBIG, errno.ENOMEM):
        return f"a file could not be read or written: {error.strerror}. Mend that, and run it again"
    return ""


def _of_library(error: BaseException) -> str:
    if _has(error, _FULL_WORDS):
        return "the disk is full. Free some space (df -h, df -i), and run it again"
    if _has(error, _READ_ONLY_WORDS):
        return "a file could not be written: read-only file system. Mend that, and run it again"
    if _has(error, _LOCKED_WORDS):
        return "a database is held by another process for too long; wait for it, and run it again"
    if isinstance(error, sqlite3.DatabaseError) and _has(error, _DAMAGED_WORDS):
        return (
            f"a database of the run directory is damaged: {error}. Move it away, and run it again"
        )
    return ""


def _code(error: OSError) -> int | None:
    """Which error of the system it was; a copy of a folder has it in its words alone."""
    if not isinstance(error, shutil.Error):
        return error.errno
    number = re.match(r"\[Errno (\d+)\]", _first_of(error))
    return int(number[1]) if number else None


def _first_of(error: shutil.Error) -> str:
    while isinstance(error.args[0], list):
        error = shutil.Error(error.args[0][0][-1] if error.args[0] else "nothing was copied")
    return str(error)


def _full(what: str, error: OSError) -> str:
    with contextlib.suppress(OSError, TypeError):
        folder = os.path.dirname(os.path.abspath(error.filename))  # noqa: PTH100, PTH120 - maybe bytes
        while not os.path.isdir(folder):  # noqa: PTH112 - likewise
            folder = os.path.dirname(folder)  # noqa: PTH120
        if not os.statvfs(folder).f_favail:
            return f"{what}: no inodes are left (df -i): delete some files, and run it again"
    return f"{what}: {error.strerror}. Free some space (df -h, df -i), and run it again"


def _place(error: OSError) -> str:
    if error.filename is None or isinstance(error.filename, int):
        return ""
    return os.fsdecode(error.filename)


def _has(error: BaseException, words: tuple[str, ...]) -> bool:
    return any(each in str(error) for each in words)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
