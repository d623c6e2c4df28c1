"""The clips that a batch inference is asked about: of files, folders, patterns and manifests.

Rows come as they are listed, and are never held together: a bucket may hold millions. What cannot
be a clip becomes a reject with the words of ingest.
"""

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.example_gen.file_names import is_audio, is_no_label, is_of_macos, is_other_file
from components.example_gen.folders import Folders
from components.example_gen.manifests import MANIFEST_SUFFIXES, read_rows
from components.example_gen.patterns import fixed_part, place_of
from components.inference.rows import ClipRow
from components.storage.interface import Entry
from components.storage.location import Location, location_of, storage_of
from components.storage.objects import matches
from schemas.errors import ClipError, DataError, InputError
from schemas.manifest import channel_of, is_text, seconds_of, text_of
from schemas.places import fault_of_uri
from schemas.reports.rejects import Reject
from schemas.secrets import has_secret, masked
from schemas.utterance import Seen


@dataclass
class ClipSource:
    """What `--input` names, relative to `folder`; `rejects` grows while `rows` are taken.

    Raises:
        InputError: a URI that is none, or one with a secret.
    """

    written: Sequence[str]
    folder: Path
    rejects: list[Reject] = field(default_factory=list)

    def __post_init__(self) -> None:
        for written in self.written:
            if has_secret(written):
                raise InputError(
                    f"--input: {masked(written)}: a URI with a password, a query or a fragment,"
                    " which may be secret; name it without"
                )
            if meant := fault_of_uri(written):
                raise InputError(f"--input: {written}: expected a URI such as {meant}")

    def rows(self) -> Iterator[ClipRow]:
        """All of them, in the order of what names them, then of names or of manifests.

        Raises:
            InputError: something names no clip at all, or cannot be read.
        """
        for written in self.written:
            found = False
            try:
                for row in self._named(written):
                    found = True
                    if isinstance(row, Reject):
                        self.rejects.append(row)
                    else:
                        yield row
            except OSError as error:
                raise InputError(f"--input: {written}: {error.strerror or error}") from error
            except DataError as error:
                raise InputError(f"--input: {error}") from error
            if not found:
                raise InputError(f"--input: {written} matches no audio file and no manifest's row")

    def places(self) -> Iterator[Location]:
        """The folders and files that it names; of a pattern the folder without signs."""
        for written in self.written:
            yield self._fixed_part(written)[0]

    def covers(self, file: Location) -> bool:
        """Whether a file of this name is named: in a folder, or by a pattern."""
        for place, inside in map(self._fixed_part, self.written):
            if file.is_in(place):
                parts = tuple(file.relative_to(place).split("/"))
                if not inside or matches(parts, tuple(inside.split("/"))):
                    return True
        return False

    def _fixed_part(self, written: str) -> tuple[Location, str]:
        """What is named, and where it is a pattern what stands in the folder."""
        place = place_of(written, self.folder)
        if glob.has_magic(written) and not place.is_present():
            return fixed_part(written, self.folder)
        return place, ""

    def _named(self, written: str) -> Iterator[ClipRow | Reject]:
        place = place_of(written, self.folder)
        entry = place.entry()
        if entry is not None:
            yield from _of_file(str(place), entry)
        elif glob.has_magic(written):
            yield from self._matching(written)
        else:
            if place.is_local:
                place.children()  # says where nobody may look
            for name, entry in _entries_below(place):
                if is_audio(name) and not any(map(is_no_label, name.split("/")[:-1])):
                    yield _clip(str(place / name), entry)

    def _matching(self, pattern: str) -> Iterator[ClipRow | Reject]:
        place, inside = fixed_part(pattern, self.folder)
        if place.is_local:
            for found in place.matching(inside):
                if (entry := found.entry()) is not None and not is_other(found.name):
                    yield from _of_file(str(found), entry)
            return
        parts = tuple(inside.split("/"))
        for name, entry in _entries_below(place):
            if matches(tuple(name.split("/")), parts) and not is_other(name.rpartition("/")[2]):
                yield from _of_file(str(place / name), entry)


def is_other(name: str) -> bool:
    """Whether a file that a pattern matches is neither a clip nor a manifest."""
    return is_of_macos(name) or (is_other_file(name) and not _is_manifest(name))


def _is_manifest(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(MANIFEST_SUFFIXES)


def _entries_below(folder: Location) -> Iterator[tuple[str, Entry]]:
    storage, path = storage_of(str(folder))
    depth = len(path) + 1 if path else 0
    for entry in storage.list_files(path):
        yield entry.name[depth:], entry


def _of_file(path: str, entry: Entry) -> Iterator[ClipRow | Reject]:
    if _is_manifest(path):
        yield from _of_manifest(location_of(path))
    else:
        yield _clip(path, entry)


def _clip(path: str, entry: Entry) -> ClipRow | Reject:
    if not is_text(path):
        name = path.encode("utf-8", "backslashreplace").decode()
        return Reject(id=name, uri=name, reason="bad_row", detail="a name that is no UTF-8")
    return _row(path, path, entry.size_bytes, entry.stamp)


def _row(
    name: str,
    path: str,
    size_bytes: int,
    stamp: str,
    offset_s: float | None = None,
    duration_s: float | None = None,
    channel: int | None = None,
) -> ClipRow:
    return ClipRow(
        id=name,
        path=path,
        offset_s=offset_s,
        duration_s=duration_s,
        channel=channel,
        size_bytes=size_bytes,
        stamp=stamp,
    )


def _of_manifest(manifest: Location) -> Iterator[ClipRow | Reject]:
    """Its rows; recordings lie beside or below it, or where a URI says."""
    folders = Folders(manifest.parent, [manifest.parent], any_uri=True)
    for number, read in read_rows(manifest):
        row = {} if isinstance(read, ClipError) else read
        try:
            if isinstance(read, ClipError):
                raise read
            written = text_of(row, "audio_filepath")
            if not is_of_macos(written):
                yield _listed(row, *folders.find(written))
        except ClipError as error:
            place = f"{manifest.name}:{number}"
            uri = row.get("audio_filepath")
            uri = masked(uri) if isinstance(uri, str) and is_text(uri) else ""
            detail = f"{place}: {error.detail}"
            yield Reject(id=place, uri=uri, reason=error.reason, detail=detail)


def _listed(row: dict[str, object], path: str, seen: Seen | None) -> ClipRow:
    """A row of a manifest, whose recording is there.

    Raises:
        ClipError: `bad_row`, a value that is none; `empty`, no time.
    """
    offset_s, duration_s = seconds_of(row, "offset"), seconds_of(row, "duration")
    if duration_s == 0.0:
        raise ClipError("empty", "duration is 0")
    channel = channel_of(row)
    name = text_of(row, "id") if row.get("id") is not None else path
    if row.get("id") is None:
        name += f"@{offset_s:.12g}" if offset_s else ""
        name += "" if channel is None else f":{channel}"
    if seen is None:
        entry = location_of(path).entry()
        if entry is None:
            raise ClipError("missing", f"no file {path}")
        seen = Seen(entry.size_bytes, entry.stamp, "")
    return _row(name, path, seen.size_bytes, seen.stamp, offset_s, duration_s, channel)
