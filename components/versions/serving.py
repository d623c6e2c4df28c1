"""Puts versions into a serving directory, restores and removes them, so that no reader ever sees
half of one.

TFX's Pusher names versions by the clock's second, copies file by file into the final folder, and
records a push where it skipped one. Here a version is the next integer, whatever the clock says;
it is made under a name that TensorFlow Serving ignores, and renamed when all of it is on disk.
"""

import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from components.durable import sync, sync_tree
from components.storage.digests import tree_digest
from components.versions.manifest import verify, write_manifest
from schemas.errors import AuricleError, RunDirectoryError, VersionError
from schemas.reports.model_card import Lineage

_INCOMING, _REMOVED = ".incoming-", ".removed-"


def push_version(
    model: Path,
    serving: Path,
    name: str,
    texts: Mapping[str, str] = MappingProxyType({}),
    *,
    lineage: Lineage | None = None,
    min_version: int = 0,
    why_failed: Callable[[str], str] = lambda model_digest: "",
) -> Path:
    """Puts a copy of `model` at the next version of `serving` and returns that folder.

    `texts` are files to put into it, by relative path. The version is higher than every other and
    than `min_version`. Files that are the newest version already are not pushed again: that
    version is returned.

    Raises:
        VersionError: `why_failed` of the model's digest says why it must not be served.
        RunDirectoryError: the serving directory cannot be written.
    """
    with _Incoming(serving) as incoming:
        shutil.copytree(model, incoming)
        if tree_digest(incoming) != tree_digest(model):
            raise AuricleError(f"the copy of {model} in {serving} differs from it; not pushed")
        for path, text in texts.items():
            (incoming / path).write_text(text, encoding="utf-8")
        newest = newest_version(serving)
        manifest = write_manifest(
            incoming, name, lineage=lineage, parent=int(newest.name) if newest else None
        )
        if reason := why_failed(manifest.model_digest):
            raise VersionError(f"this model was served before and withdrawn: {reason}")
        if newest is not None and _whole_files(newest) == manifest.files:
            return newest
        return _rename_to_next_version(incoming, serving, min_version)


def restore_version(
    source: Path,
    serving: Path,
    *,
    content: int,
    min_version: int,
    withdraws: int | None,
    reason: str,
) -> Path:
    """Puts the files of the version in `source` at the next version of `serving`, verified.

    `content` is the version they were first pushed as.

    Raises:
        VersionError: `source` is not what was pushed.
        RunDirectoryError: the serving directory cannot be written.
    """
    old = verify(source)
    with _Incoming(serving) as incoming:
        shutil.copytree(source, incoming)
        newest = newest_version(serving)
        manifest = write_manifest(
            incoming,
            old.name,
            lineage=old.lineage,
            parent=int(newest.name) if newest else None,
            restores=content,
            withdraws=withdraws,
            reason=reason,
        )
        if manifest.files != old.files:
            raise AuricleError(f"the copy of {source} differs from it; not restored")
        return _rename_to_next_version(incoming, serving, min_version)


def remove_version(folder: Path) -> None:
    """Takes a version away: at once for a reader of the serving directory."""
    removed = folder.with_name(f"{_REMOVED}{uuid.uuid4().hex}")
    folder.rename(removed)
    shutil.rmtree(removed)


def remove_leftovers(serving: Path) -> int:
    """Deletes what a killed push or removal left behind, and says of how many.

    Only to be called while nobody else pushes there.
    """
    leftovers = [*serving.glob(f"{_INCOMING}*"), *serving.glob(f"{_REMOVED}*")]
    for folder in leftovers:
        shutil.rmtree(folder)
    return len(leftovers)


def pushed_versions(serving: Path) -> list[Path]:
    """The version folders of a serving directory, the oldest first, also those made by hand."""
    if not serving.is_dir():
        return []
    folders = [p for p in serving.iterdir() if p.name.isdecimal() and p.is_dir()]
    return sorted(folders, key=lambda path: int(path.name))


def newest_version(serving: Path) -> Path | None:
    """The folder that is served; None where there is none."""
    return next(reversed(pushed_versions(serving)), None)


def check_serving(serving: Path) -> None:
    """Makes the serving directory and writes to it, so that a run does not find out at its end.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    with _Incoming(serving) as incoming:
        _explained(serving, incoming.mkdir)


class _Incoming:
    """A folder to be made in a serving directory; gone afterwards unless it was renamed."""

    def __init__(self, serving: Path) -> None:
        self._serving = serving
        self._path = serving / f"{_INCOMING}{uuid.uuid4().hex}"

    def __enter__(self) -> Path:
        _explained(self._serving, lambda: self._serving.mkdir(parents=True, exist_ok=True))
        return self._path

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _explained(serving: Path, work: Callable[[], None]) -> None:
    try:
        work()
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write the serving directory {serving}: {error.strerror}; push.directory names"
            " another"
        ) from error


def _whole_files(version: Path) -> dict[str, str]:
    """Its files and their digests; empty where it is no version, or not what was pushed."""
    try:
        return verify(version).files
    except VersionError:
        return {}


def _rename_to_next_version(incoming: Path, serving: Path, min_version: int) -> Path:
    sync_tree(incoming)
    while True:
        newest = newest_version(serving)
        target = serving / str(max(int(newest.name) if newest else 0, min_version) + 1)
        try:
            incoming.rename(target)
        except OSError:
            if not target.exists():
                raise
            continue  # another push took this version in between
        sync(serving)
        return target
