"""The disk: atomic by rename, kept over a cut of the power by fsync, held by flock."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

from components.storage.digests import file_digest
from components.storage.interface import ABSENT, Entry, HeldError, StaleError, Storage, Stored

_INCOMING, _REMOVED = ".incoming-", ".removed-"
_BUFFER_BYTES = 1 << 20
_LOOK_S = 0.05
# A file that cannot be there, by its name, is not there.
_NO_SUCH = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


class LocalStorage(Storage):
    """Files by their paths. The generation of a file is the SHA-256 of its content."""

    def uri(self, name: str) -> str:
        return name

    def open(self, name: str) -> BinaryIO:
        return open_regular(name)

    def read(self, name: str) -> Stored:
        with open_regular(name) as file:
            content = file.read()
        return Stored(content, _generation(content))

    def put(self, name: str, content: bytes, *, if_match: str | None = None) -> str:
        file = Path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        if if_match is None:
            _replace(file, content)
            return _generation(content)
        with file.with_name(f".{file.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                found = self.read(name).generation
            except FileNotFoundError:
                found = ABSENT
            if found != if_match:
                raise StaleError(f"{name} was written by another process")
            _replace(file, content)
        return _generation(content)

    def append(self, name: str, content: bytes) -> None:
        file = Path(name)
        _make_parent(file)
        with _named(name), file.open("ab", buffering=0) as target:
            before = target.tell()
            try:
                _write_all(target, content)
                os.fsync(target.fileno())
            except OSError:
                target.truncate(before)  # or the next line would go on where this one stopped
                raise

    @contextlib.contextmanager
    def create(self, name: str, scratch: str | None = None) -> Iterator["BufferedFile"]:
        file = Path(name)
        folder = Path(scratch) if scratch else file.parent
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{file.name}.{uuid.uuid4().hex}"
        try:
            with _named(name):
                target = BufferedFile(draft.open("wb", buffering=0), name)
            with target:
                yield target
            _make_parent(file)
            draft.replace(file)
        except BaseException:
            _discard(draft)
            raise

    def entry(self, name: str) -> Entry | None:
        try:
            status = os.stat(name)  # noqa: PTH116 - of many files
        except OSError as error:
            if error.errno in _NO_SUCH:
                return None
            raise
        except ValueError:  # a NUL
            return None
        return _entry(name, status) if stat.S_ISREG(status.st_mode) else None

    def list_files(self, folder: str) -> Iterator[Entry]:
        found = (f"{parent}/{name}" for parent, _, files in os.walk(folder) for name in files)
        for path in sorted(found):
            # Deleted since it was listed: as if it had been before.
            with contextlib.suppress(FileNotFoundError):
                yield _entry(path, os.stat(path))  # noqa: PTH116 - of many files

    def irregular(self, folder: str) -> list[str]:
        found = ["."] if Path(folder).is_symlink() else []
        for parent, folders, files in os.walk(folder):
            for path in (f"{parent}/{name}" for name in (*folders, *files)):
                mode = os.lstat(path).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    found.append(path[len(folder) + 1 :])
        return sorted(found)

    def scan(self, folder: str) -> Iterator[Entry | str]:
        files, folders = self.children(folder)
        yield from folders
        for name in files:
            if (entry := self.entry(f"{folder}/{name}")) is not None:
                yield entry

    def children(self, folder: str) -> tuple[list[str], list[str]]:
        files: list[str] = []
        folders: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    kind = _kind(entry)
                    if kind == "folder":
                        folders.append(entry.name)
                    elif kind == "file":
                        files.append(entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        return sorted(files), sorted(folders)

    def oddities(self, folder: str) -> dict[str, str]:
        with os.scandir(folder) as entries:
            kinds = {entry.name: _kind(entry) for entry in entries}
        return {name: kind for name, kind in kinds.items() if kind not in ("file", "folder")}

    def glob(self, folder: str, pattern: str) -> list[str]:
        return sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207 - relative

    def delete(self, name: str) -> None:
        with contextlib.suppress(NotADirectoryError):
            Path(name).unlink(missing_ok=True)

    def delete_all(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def copy(self, source: str, target: str) -> None:
        _make_parent(Path(target))
        # Beside the source: the target's folder may be listed by a reader.
        draft = Path(f"{source}.{uuid.uuid4().hex}")
        try:
            try:
                os.link(source, draft)
            except FileNotFoundError:
                raise
            except OSError:  # a file system without links
                shutil.copyfile(source, draft)
            try:
                draft.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_beside(source, Path(target))
        finally:  # a link renamed over another link to the same file stays where it is
            draft.unlink(missing_ok=True)

    def digest(self, name: str) -> str:
        return file_digest(name)

    @contextlib.contextmanager
    def stage(self, parent: str) -> Iterator[Path]:
        folder = Path(parent) / f"{_INCOMING}{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staged: Path, name: str, manifest: str) -> None:
        _sync_tree(staged)
        target = Path(name)
        try:
            staged.rename(target)
        except OSError as error:
            if target.exists():
                raise FileExistsError(f"{name} is there already") from error
            raise
        _sync(target.parent)

    def published(self, parent: str, manifest: str) -> list[str]:
        return self.children(parent)[1]  # renamed when whole; others were made by hand

    def withdraw(self, name: str, manifest: str) -> None:
        folder = Path(name)
        removed = folder.with_name(f"{_REMOVED}{uuid.uuid4().hex}")
        folder.rename(removed)
        shutil.rmtree(removed)

    def sweep(self, parent: str, manifest: str) -> int:
        found = [f for f in self.children(parent)[1] if f.startswith((_INCOMING, _REMOVED))]
        for folder in found:
            shutil.rmtree(Path(parent) / folder)
        return len(found)

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[None]:
        _make_parent(Path(name))
        with Path(name).open("a+") as file:
            try:
                _lock_exclusively(file)
            except BlockingIOError:
                file.seek(0)
                raise HeldError(f"process {file.read().strip()}") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_held(self, name: str) -> bool:
        try:
            with Path(name).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextlib.contextmanager
    def local_copy(self, name: str) -> Iterator[Path]:
        yield Path(name)

    @contextlib.contextmanager
    def local_draft(self, folder: str, last: str = "") -> Iterator[Path]:
        Path(folder).mkdir(parents=True, exist_ok=True)
        yield Path(folder)


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, open for reading; what is none would have its reader wait, or never end.

    Raises:
        OSError: it cannot be opened, or is a pipe, a socket, a device or a folder.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError as error:  # a NUL
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, f"{_of_mode(mode)}, and no file", str(path))


def _kind(entry: os.DirEntry[str]) -> str:
    """`file`, `folder`, or in words what else it is."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
        return _of_mode(entry.stat().st_mode)
    except FileNotFoundError:
        return "a link to nothing"
    except OSError as error:  # links in a circle, or to where nobody may look
        return f"a link that cannot be followed: {error.strerror}"


def _of_mode(mode: int) -> str:
    names = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return names.get(stat.S_IFMT(mode), "a device")


class BufferedFile:
    """A file that is being written; holds `content` until there is enough to write."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._file = file
        self._name = name  # that an error says
        self._parts: list[bytes] = []
        self._held_bytes = 0

    def __enter__(self) -> "BufferedFile":
        return self

    def write(self, content: bytes) -> None:
        """Appends `content`."""
        self._parts.append(content)
        self._held_bytes += len(content)
        if self._held_bytes >= _BUFFER_BYTES:
            self._flush()

    def __exit__(self, kind: object, *error: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._file.close()

    def _flush(self) -> None:
        with _named(self._name):
            _write_all(self._file, b"".join(self._parts))
        self._parts.clear()
        self._held_bytes = 0


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
    try:
        with _named(str(file)), draft.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(file)
    except BaseException:
        _discard(draft)
        raise


def _discard(draft: Path) -> None:
    """Deletes a draft where that is possible; what went wrong before is what is said."""
    with contextlib.suppress(OSError):
        draft.unlink()


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    """An error names the file that was to be written: one of a write names none, and who reads of
    a draft does not know it.
    """
    try:
        yield
    except OSError as error:
        error.filename = name
        raise


def _write_all(file: IO[bytes], content: bytes) -> None:
    left = memoryview(content)
    while left:  # a write may stop short, at a signal or a full disk
        left = left[file.write(left) :]


def _copy_beside(source: str, target: Path) -> None:
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        shutil.copyfile(source, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _make_parent(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)


def _generation(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_stamp(path: str) -> str | None:
    """The stamp of a file, None where there is none: at a third of the cost of an `Entry`."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116 - of many files
    except OSError:
        return None


def _entry(name: str, status: os.stat_result) -> Entry:
    return Entry(name, status.st_size, _stamp(status), status.st_mtime)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(parent) / name)
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock_exclusively(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_LOOK_S)  # somebody may just be looking whether it is held
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
