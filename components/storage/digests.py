"""SHA-256 of files and folders, remembered between runs.

Everything that keys a cache on content asks here, so that reading 100,000 unchanged files again
costs a `stat` each. A remembered digest counts only while size, modification time, *change* time
and inode are the same: a same-size edit whose modification time was put back still moves the change
time, which no program can set.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

DIGEST_PROPERTY = "content_sha256"  # of an artifact in the metadata: what it was sealed with
_BLOCK_BYTES = 1 << 20
# Kernels stamp files with the time of the last tick. A file changed this shortly before it was
# read may change again under the same stamp, so its digest is not remembered.
_SETTLED_NS = 1_000_000_000
_FILES_AT_ONCE = 10_000
_Stamp = tuple[int, int, int, int]  # size, modification time, change time, inode
_TABLE = """
CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER,
    sha256 TEXT NOT NULL
) WITHOUT ROWID
"""


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file's content, in hex.

    Raises:
        OSError: the file cannot be read.
    """
    return _read_digest(path)[0]


class FileDigests:
    """The digests of files, kept in an SQLite file; a context manager that commits at its end.

        with FileDigests(run_directory / "digests.sqlite") as digests:
            digests.digest("clips/yes/1.wav")

    Without a cache path nothing is remembered. A cache file that is damaged, or cannot be written,
    costs time only. Several processes may use one cache file at a time.
    """

    def __init__(self, cache_path: str | Path | None = None) -> None:
        self._known = _open_cache(Path(cache_path)) if cache_path is not None else None
        self._new: dict[str, tuple[_Stamp, str]] = {}

    def __enter__(self) -> "FileDigests":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def digest(self, path: str | Path) -> str:
        """SHA-256 of the file's content, in hex; read only when its `stat` is not known.

        Raises:
            OSError: the file cannot be read.
        """
        # Without pathlib, which would cost as much as the hash of a short clip.
        name = os.path.abspath(path)  # noqa: PTH100
        return self._digest(name, self._remembered([name]))

    def digest_all(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each path with its digest, which is empty for a file that cannot be read; in any order.

        Asks the cache for thousands at a time: a question for each costs more than its `stat`.
        """
        ordered = sorted((os.path.abspath(path), path) for path in paths)  # noqa: PTH100
        for start in range(0, len(ordered), _FILES_AT_ONCE):
            some = ordered[start : start + _FILES_AT_ONCE]
            self.commit()
            remembered = self._remembered(name for name, _ in some)
            for name, path in some:
                try:
                    yield path, self._digest(name, remembered)
                except OSError:
                    yield path, ""

    def tree_digest(self, directory: str | Path) -> str:
        """SHA-256 over the relative paths and contents of all files below a folder, in hex.

        Symbolic links are followed to files, not to folders; empty folders do not count.

        Raises:
            OSError: the folder does not exist or a file cannot be read.
        """
        root = Path(directory)
        tree = hashlib.sha256()
        for relative in _files_below(root):
            name = os.fsencode(relative)
            content = self.digest(root / relative)
            tree.update(b"%d:%b%b" % (len(name), name, content.encode()))
        return tree.hexdigest()

    def commit(self) -> None:
        """Writes what was learnt to the cache file."""
        if self._known is None or not self._new:
            return
        rows = [
            (name, *stamp, sha256) for name, (stamp, sha256) in self._new.items() if _is_text(name)
        ]
        self._new.clear()
        # Busy, full, read-only: the next run reads the files again.
        with contextlib.suppress(sqlite3.Error), self._known:
            self._known.executemany(
                "INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?)", rows
            )

    def close(self) -> None:
        """Commits and lets go of the cache file."""
        self.commit()
        if self._known is not None:
            self._known.close()
            self._known = None

    def _digest(self, name: str, remembered: dict[str, tuple[_Stamp, str]]) -> str:
        before = _stamp(os.stat(name))  # noqa: PTH116
        known = self._new.get(name) or remembered.get(name)
        if known is not None and known[0] == before:
            return known[1]
        sha256, after = _read_digest(name)
        if after == before and time.time_ns() - max(after[1:3]) > _SETTLED_NS:
            self._new[name] = after, sha256
        return sha256

    def _remembered(self, names: Iterable[str]) -> dict[str, tuple[_Stamp, str]]:
        """What the cache knows of these paths."""
        if self._known is None:
            return {}
        question = (
            "SELECT path, size, mtime_ns, ctime_ns, inode, sha256 FROM digests"
            " WHERE path IN (SELECT value FROM json_each(?))"
        )
        try:
            rows = self._known.execute(question, (json.dumps(list(names)),))
            return {name: (tuple(stamp), sha256) for name, *stamp, sha256 in rows}
        except sqlite3.Error:
            return {}


def tree_digest(directory: str | Path) -> str:
    """`FileDigests.tree_digest` without a memory.

    Raises:
        OSError: the folder does not exist or a file cannot be read.
    """
    return FileDigests().tree_digest(directory)


def _read_digest(path: str | Path) -> tuple[str, _Stamp]:
    """SHA-256 of a file's content in hex, and its stamp when all was read."""
    descriptor = os.open(path, os.O_RDONLY)  # a file object costs as much as the hash of a clip
    try:
        digest = hashlib.sha256()
        block_bytes = min(_BLOCK_BYTES, os.fstat(descriptor).st_size + 1)
        while block := os.read(descriptor, block_bytes):
            digest.update(block)
        return digest.hexdigest(), _stamp(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _is_text(name: str) -> bool:
    """Whether the cache can hold a name: not one that is no UTF-8."""
    return name.encode(errors="ignore").decode() == name


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _files_below(root: Path) -> list[str]:
    """Relative paths of the files below `root`, with `/` between parts, in byte order."""

    def fail(error: OSError) -> None:
        raise error

    found = []
    for folder, _, files in os.walk(root, onerror=fail):
        inside = Path(folder).relative_to(root)
        found += [(inside / file).as_posix() for file in files]
    return sorted(found, key=os.fsencode)


def remove_cache(path: Path) -> None:
    """Deletes the cache at `path` with what SQLite keeps beside it, where there is one."""
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)


def _open_cache(path: Path) -> sqlite3.Connection | None:
    """The cache at `path`, made anew where it is damaged; None where none can be had."""
    for attempt in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=10)
            connection.execute("PRAGMA journal_mode=WAL")
            with connection:
                connection.execute(_TABLE)
                connection.execute("SELECT path, ctime_ns, inode, sha256 FROM digests LIMIT 1")
            return connection
        except sqlite3.OperationalError:  # locked, not writable
            return None
        except sqlite3.DatabaseError:  # not a database: an interrupted disk, another program
            if attempt == 0:
                remove_cache(path)
        except OSError:
            return None
    return None
