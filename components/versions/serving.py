"""Puts versions into a serving directory, restores and removes them, so that no reader ever sees
half of one.

TFX's Pusher names versions by the clock's second, copies file by file into the final folder, and
records a push where it skipped one. Here a version is the next integer, whatever the clock says;
its storage publishes it whole: by a rename that TensorFlow Serving cannot see half of, or by its
manifest, which comes last.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from components.storage.digests import tree_digest
from components.storage.location import Location, location_of
from components.versions.manifest import verify, write_manifest
from schemas.errors import AuricleError, RunDirectoryError, VersionError
from schemas.reports.model_card import Lineage
from schemas.versions import MANIFEST_FILE


class Version(NamedTuple):
    """A version in a serving directory: its number, and its folder, which is called by it."""

    number: int
    folder: Location


def push_version(
    model: Path,
    serving: Path | Location,
    name: str,
    texts: Mapping[str, str] = MappingProxyType({}),
    *,
    lineage: Lineage | None = None,
    min_version: int = 0,
    why_failed: Callable[[str], str] = lambda model_digest: "",
) -> Version:
    """Puts a copy of `model` at the next version of `serving`, which is returned.

    `texts` are files to put into it, by relative path. The version is higher than every other and
    than `min_version`. Files that are the newest version already are not published again: that
    version is returned.

    Raises:
        VersionError: `why_failed` of the model's digest says why it must not be served.
        RunDirectoryError: the serving directory cannot be written.
    """
    serving = location_of(serving)
    with _staged(serving) as incoming:
        shutil.copytree(model, incoming, dirs_exist_ok=True)
        if tree_digest(incoming) != tree_digest(model):
            raise AuricleError(f"the copy of {model} in {serving} differs from it; not pushed")
        for path, text in texts.items():
            (incoming / path).write_text(text, encoding="utf-8")
        newest = newest_version(serving)
        manifest = write_manifest(
            incoming, name, lineage=lineage, parent=newest.number if newest else None
        )
        if reason := why_failed(manifest.model_digest):
            raise VersionError(f"this model was served before and withdrawn: {reason}")
        if newest is not None and _whole_files(newest.folder) == manifest.files:
            return newest
        return _publish_next_version(incoming, serving, min_version)


def restore_version(
    source: Path | Location,
    serving: Path | Location,
    *,
    content: int,
    min_version: int,
    withdraws: int | None,
    reason: str,
) -> Version:
    """Puts the files of the version in `source` at the next version of `serving`, verified.

    `content` is the version they were first published as.

    Raises:
        VersionError: `source` is not what was published.
        RunDirectoryError: the serving directory cannot be written.
    """
    serving = location_of(serving)
    old = verify(source)
    with _staged(serving) as incoming, location_of(source).local_copy() as folder:
        shutil.copytree(folder, incoming, dirs_exist_ok=True)
        newest = newest_version(serving)
        manifest = write_manifest(
            incoming,
            old.name,
            lineage=old.lineage,
            parent=newest.number if newest else None,
            restores=content,
            withdraws=withdraws,
            reason=reason,
        )
        if manifest.files != old.files:
            raise AuricleError(f"the copy of {source} differs from it; not restored")
        return _publish_next_version(incoming, serving, min_version)


def remove_version(folder: Path | Location) -> None:
    """Takes a version away: at once for a reader of the serving directory."""
    location_of(folder).withdraw(MANIFEST_FILE)


def remove_leftovers(serving: Path | Location) -> int:
    """Deletes what a killed push or removal left behind, and says of how many.

    Only to be called while nobody else pushes there.
    """
    return location_of(serving).sweep(MANIFEST_FILE)


def pushed_versions(serving: Path | Location) -> list[Version]:
    """The versions in a serving directory, the oldest first, also those made by hand."""
    place = location_of(serving)
    names = [name for name in place.published(MANIFEST_FILE) if name.isdecimal()]
    return [Version(int(name), place / name) for name in sorted(names, key=int)]


def newest_version(serving: Path | Location) -> Version | None:
    """The version that is served; None where there is none."""
    return next(reversed(pushed_versions(serving)), None)


def check_serving(serving: Path | Location) -> None:
    """Makes the serving directory and writes to it, so that a run does not find out at its end.

    Raises:
        RunDirectoryError: it cannot be written.
    """
    with _staged(location_of(serving)):
        pass


@contextlib.contextmanager
def _staged(serving: Location) -> Iterator[Path]:
    """A folder to be published in a serving directory; gone afterwards unless it was."""
    with contextlib.ExitStack() as staged:
        try:
            folder = staged.enter_context(serving.stage())
        except OSError as error:
            raise RunDirectoryError(
                f"cannot write the serving directory {serving}: {error.strerror}; push.directory"
                " names another"
            ) from error
        yield folder


def _whole_files(version: Location) -> dict[str, str]:
    """Its files and their digests; empty where it is no version, or not what was pushed."""
    try:
        return verify(version).files
    except VersionError:
        return {}


def _publish_next_version(incoming: Path, serving: Location, min_version: int) -> Version:
    number = min_version
    while True:
        newest = newest_version(serving)
        number = max(newest.number if newest else 0, number) + 1
        target = serving / number
        try:
            target.publish(incoming, MANIFEST_FILE)
        except FileExistsError:
            continue  # another push took this version in between
        return Version(number, target)
