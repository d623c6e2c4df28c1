"""Paths, URIs and patterns as a workflow writes them, and the files that they name."""

import glob
import posixpath
from collections.abc import Sequence
from pathlib import Path

from components.example_gen.file_names import is_of_macos
from components.example_gen.spans import newest_spans
from components.example_gen.spelled_paths import as_spelled, spellings
from components.storage.location import Location, location_of
from schemas.errors import DataError
from schemas.secrets import masked
from schemas.spans import has_spans


def place_of(written: str, workflow_dir: Path) -> Location:
    """The place that a workflow in `workflow_dir` names: a path, from that folder on, or a URI. Of
    accents it takes those that are there, composed or not.

    Raises:
        DataError: no storage is known for the URI.
    """
    try:
        path = written if "://" in written else (workflow_dir / written).absolute()
        return as_spelled(location_of(path))
    except ValueError as error:
        raise DataError(masked(str(error))) from error


def matching_files(
    key: str, patterns: Sequence[str], workflow_dir: Path, window: int | None = None
) -> list[Location]:
    """All files that `patterns`, paths, URIs or globs, name; sorted. Of a pattern with spans those
    of the newest `window`.

    Raises:
        DataError: one of the patterns, which stand at `key` in the workflow, matches no file, or
            its storage refuses.
    """
    matching: set[Location] = set()
    for pattern in patterns:
        try:
            files = _matching(pattern, workflow_dir, window)
        except OSError as error:
            words = error.strerror or error
            raise DataError(f"{key}: {pattern} cannot be read: {words}") from error
        if not files:
            raise DataError(f"{key}: {pattern} matches no file (looked in {workflow_dir})")
        matching |= files
    return sorted(matching, key=str)


def _matching(pattern: str, workflow_dir: Path, window: int | None) -> set[Location]:
    place, inside = fixed_part(pattern, workflow_dir)
    if has_spans(inside):
        return set(newest_spans(place, inside, window))
    exact = as_spelled(place / inside)  # a name is no pattern where there is a file of it
    found = [exact]
    if not exact.is_present():
        found = [file for each in spellings(inside) for file in place.matching(each)]
        if place.is_local:  # a store lists what is there; a folder, also links to nothing
            found = [file for file in found if file.is_present()]
    return {file for file in found if not is_of_macos(file.name)}


def common_root(patterns: Sequence[str], workflow_dir: Path) -> Location | None:
    """The deepest folder that every pattern names without wildcards; None of several storages.

    Depends on the patterns, and not on files, so that ids stay when a new manifest appears.
    """
    folders = [fixed_part(pattern, workflow_dir)[0] for pattern in patterns]
    if len({folder.storage for folder in folders}) != 1:
        return None
    shared = folders[0]
    while not all(folder.is_in(shared) for folder in folders):
        shared = shared.parent
    return shared


def name_below(root: Location | None, place: Location) -> str:
    """The name of `place` from `root` on; all of it where it is not in there."""
    return place.relative_to(root) if root and place.is_in(root) else str(place)


def join_names(folder: str, name: str) -> str:
    """`name` in `folder`, both as `name_below` gives them, without `.` and `..`."""
    if "://" in folder:
        return f"{folder}/{name}"
    return posixpath.normpath(posixpath.join(folder, name))


def fixed_part(pattern: str, workflow_dir: Path) -> tuple[Location, str]:
    """The folder that a pattern names without wildcards, and the rest of it."""
    scheme, separator, name = pattern.rpartition("://")
    folder, written = posixpath.split(name)
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    top = "/" if name.startswith("/") else ""
    depth = 1 if separator else 0  # a bucket has no wildcards
    place = place_of(f"{scheme}{separator}{top}{'/'.join(parts[:depth])}", workflow_dir)
    while depth < len(parts) and _is_fixed(place, parts[depth]):
        place, depth = place / parts[depth], depth + 1
    fixed = place_of(f"{scheme}{separator}{top}{'/'.join(parts[:depth])}", workflow_dir)
    return fixed, "/".join([*parts[depth:], written])


def _is_fixed(folder: Location, part: str) -> bool:
    """Whether `part` names a folder in `folder`: without wildcards, or as the name of one there."""
    if not glob.has_magic(part) and not has_spans(part):
        return True
    return part in folder.children()[1]
