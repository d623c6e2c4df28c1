"""The clips of a folder `label/clip`, with what a Speech Commands folder says of them."""

import contextlib
import posixpath
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from components.example_gen.file_names import (
    AUDIO_SUFFIXES,
    BACKGROUND_FOLDER,
    is_audio,
    is_left_behind,
    is_no_label,
    is_other_file,
    is_run_directory,
)
from components.example_gen.folders import scan_folder
from components.example_gen.row_file import kept
from components.example_gen.spellings import Spellings
from components.example_gen.split_lists import (
    SPLIT_LISTS,
    SplitLists,
    read_split_lists,
    speaker_of,
)
from components.storage.contents import stamp_files
from components.storage.location import Location
from components.tasks import feeding
from schemas.errors import ClipError, DataError
from schemas.manifest import is_text
from schemas.reports.rejects import Reject
from schemas.text import plain
from schemas.utterance import Seen, Utterance
from schemas.workflow.data import Data

_EXPECTED = f"expected label/clip, a clip being one of {' '.join(AUDIO_SUFFIXES)}"


@dataclass
class FolderListing:
    """What a folder holds; the fields are those of `sources.Listing`."""

    rows: Sequence[Utterance] = ()
    rejects: list[Reject] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    forgotten: int = 0
    spellings: Spellings = field(default_factory=Spellings)

    def reject(self, uri: str, error: ClipError) -> None:
        """Adds a reject."""
        named = _as_text(uri)
        self.rejects.append(Reject(id=named, uri=named, reason=error.reason, detail=error.detail))

    def ignore(self, uri: str) -> None:
        """Adds a file, or a folder whose name ends in a slash, that holds no recording."""
        self.ignored.append(_as_text(uri))


def list_folder(
    folder: Location, data: Data, is_forgotten: Callable[[str], bool], targets: feeding.TargetReader
) -> FolderListing:
    """What the folder `data.folder` holds, which is at `folder`.

    Raises:
        DataError: there is no such folder, or no clip of a label in it.
    """
    try:
        files, folders = folder.children()
    except OSError as error:
        raise DataError(f"data.folder: {data.folder} cannot be read: {error.strerror}") from error
    if not files and not folders:
        raise DataError(
            f"data.folder: {data.folder} is not a folder, or is empty (looked at {folder})"
        )
    found = FolderListing()
    _reject_oddities(folder, "", found)
    found.rows = kept(_list_labels(folder, folders, targets, found))
    for name in files:
        if is_audio(name):
            found.reject(name, ClipError("unsupported", f"in no folder of a label; {_EXPECTED}"))
        elif name not in SPLIT_LISTS:
            found.ignore(name)
    if not found.rows:
        first = "".join(
            f"; the first of {len(found.rejects)}: {reject.detail}" for reject in found.rejects[:1]
        )
        raise DataError(
            f"data.folder: no clip in {folder}; expected label/clip with a suffix of"
            f" {' '.join(AUDIO_SUFFIXES)}{first}"
        )
    rows = _divided(found, read_split_lists(folder, files, data.folder or ""), data)
    found.notes += _say_background(folder, folders, data)
    found.notes += found.spellings.notes()
    found.rows = kept(_not_forgotten(rows, is_forgotten, found))
    return found


def _not_forgotten(
    rows: Iterable[Utterance], is_forgotten: Callable[[str], bool], found: FolderListing
) -> Iterator[Utterance]:
    for row in rows:
        if is_forgotten(row.speaker):
            found.forgotten += 1
        else:
            yield row


def clip_stamps(folder: Location, labels: Collection[str] | None) -> Iterator[tuple[str, str]]:
    """The path of each file that is a clip by its place and name, of some labels or of all, with
    its stamp, which differs whenever its content may: of objects that of their listing.
    """
    for label in folder.children()[1]:
        if not is_no_label(label) and (labels is None or plain(label) in labels):
            place = folder / label
            with contextlib.suppress(OSError):  # listed, such a folder is a reject
                clips = {
                    name: seen for name, seen in scan_folder(place)[0].items() if is_audio(name)
                }
                yield from ((str(place / name), seen.stamp) for name, seen in clips.items() if seen)
                yield from stamp_files(
                    str(place / name) for name, seen in clips.items() if not seen
                )


def list_files(folder: Location) -> list[Location]:
    """The lists beside the labels that say which split clips are of."""
    files = folder.children()[0]
    return [folder / name for name in SPLIT_LISTS if name in files]


def _list_labels(
    folder: Location, labels: list[str], targets: feeding.TargetReader, found: FolderListing
) -> Iterator[Utterance]:
    for label in labels:
        try:
            yield from _list_label(folder, label, targets, found)
        except OSError as error:
            detail = f"the folder cannot be read: {error.strerror}"
            found.reject(label, ClipError("unreadable", detail))


def _list_label(
    folder: Location, label: str, targets: feeding.TargetReader, found: FolderListing
) -> Iterator[Utterance]:
    clips: dict[str, Seen | None] = {}
    folders: list[str] = []
    if not is_no_label(label):
        clips, folders = scan_folder(folder / label)
    if is_run_directory(clips):
        clips, folders = {}, []
    elif not is_no_label(label):
        _reject_oddities(folder, label, found)
    left = {name for name in folders if _is_left(folder / label / name)}
    if all(map(is_other_file, clips)) and left == set(folders):
        found.ignore(f"{label}/")
        return
    for name in sorted([*clips, *folders]):
        uri = f"{label}/{name}"
        is_folder = name in folders
        if name in left if is_folder else is_other_file(name):
            found.ignore(f"{uri}/" if is_folder else uri)
            continue
        try:
            row = _read_clip(folder, label, name, is_folder, targets, found.spellings)
            yield replace(row, seen=clips[name])
        except ClipError as error:
            found.reject(uri, error)


def _reject_oddities(folder: Location, label: str, found: FolderListing) -> None:
    """Rejects what is called as a clip or a label's folder, and is neither file nor folder."""
    for name, kind in sorted((folder / label).oddities().items()):
        if not is_other_file(name):
            found.reject(posixpath.join(label, name), ClipError("missing", kind))


def _is_left(folder: Location) -> bool:
    if is_left_behind(folder.name):
        return True
    with contextlib.suppress(OSError):  # which may not be looked into
        return is_run_directory(folder.children()[0])
    return False


def _read_clip(
    folder: Location,
    label: str,
    name: str,
    is_folder: bool,
    targets: feeding.TargetReader,
    spellings: Spellings,
) -> Utterance:
    uri = f"{label}/{name}"
    if not is_text(uri):
        raise ClipError("bad_row", "a name that is not UTF-8")
    if is_folder or not is_audio(name):
        seen = "a folder" if is_folder else f"suffix {posixpath.splitext(name)[1]!r}"
        raise ClipError("unsupported", f"{seen}; {_EXPECTED}")
    target = spellings.plain(targets.read_target({targets.KEY: label}))
    return Utterance(uri, uri, str(folder / uri), target, plain(speaker_of(name)))


def _divided(found: FolderListing, lists: SplitLists, data: Data) -> Iterable[Utterance]:
    """The rows with the splits that the lists say, where they are asked to."""
    named = sorted(lists.clips)
    if data.split.folds and named:
        found.notes.append(
            f"{' and '.join(named)} of {data.folder} are not used: with data.split.folds every"
            " clip tests a model"
        )
        return found.rows
    used = lists.that_name(row.uri for row in found.rows)
    found.notes += used.notes()
    faults = lists.faults(row.uri for row in found.rows)
    found.notes += [f"{data.folder}/{file}: {fault}" for file, fault in faults]
    return _as_listed(found, used, data) if used.clips else found.rows


def _as_listed(found: FolderListing, lists: SplitLists, data: Data) -> Iterator[Utterance]:
    for row in found.rows:
        try:
            yield replace(row, split=lists.split_of(row, data.split))
        except ClipError as error:
            found.reject(row.uri, error)


def _say_background(folder: Location, folders: list[str], data: Data) -> Iterator[str]:
    """That there are recordings for `data.background`, where the workflow names none."""
    if BACKGROUND_FOLDER not in folders or data.background is not None:
        return
    clips = [name for name in (folder / BACKGROUND_FOLDER).children()[0] if is_audio(name)]
    if clips:
        place = posixpath.join(data.folder or "", BACKGROUND_FOLDER)
        yield (
            f"{BACKGROUND_FOLDER} is no label: its recordings without words ({len(clips):,}) are"
            f" for a workflow that spots keywords (data.background: {place})"
        )


def _as_text(name: str) -> str:
    return name if is_text(name) else name.encode(errors="backslashreplace").decode()
