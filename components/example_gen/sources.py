"""The rows of a data set: manifests, a folder of `label/clip`, or generated speech.

Only lists: nothing is decoded and no content is read but the manifests'. `auricle plan` and ingest
share it. What cannot be a clip becomes a reject with its place; it ends nothing.
"""

import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.example_gen.file_names import is_of_macos
from components.example_gen.folders import Folders
from components.example_gen.label_folders import list_folder
from components.example_gen.manifests import read_rows
from components.example_gen.patterns import (
    common_root,
    join_names,
    matching_files,
    name_below,
    place_of,
)
from components.example_gen.row_file import in_order, kept
from components.example_gen.similar_labels import similar_labels
from components.example_gen.spellings import Spellings
from components.storage.location import Location, location_of
from components.tasks import feeding
from schemas.errors import ClipError, DataError
from schemas.manifest import channel_of, is_text, optional_text_of, seconds_of, text_of
from schemas.reports.rejects import Reject
from schemas.secrets import masked
from schemas.tasks import FIRST_TASK
from schemas.text import nearest, plain
from schemas.utterance import GENERATED_SCHEME, MUST_PASS, TWO_LABELS, Seen, Utterance
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated

_SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("eval", "validation", "valid", "val", "dev"), "eval"),
    **dict.fromkeys(("test", "testing"), "test"),
}
_FEEDBACK_METADATA = ("origin", MUST_PASS)  # the rest of a row is for people
_MANIFEST_KEYS = ("audio_filepath", "speaker", "offset", "duration", "id", "split")


@dataclass(frozen=True)
class Listing:
    """What a source holds for a task: usable rows sorted by id, and the rows that cannot be used.

    `feedback` of the rows are clips from the field. `forgotten` rows are in neither list: of
    speakers that are to be forgotten. Nor are those that are `left_out`, counted by label: the
    workflow names other labels. `ignored` are files and folders without clips, by name. `notes`
    say what a person should know of how the source was read.
    """

    utterances: Sequence[Utterance]
    rejects: list[Reject]
    generated: Generated | None = None
    feedback: int = 0
    forgotten: int = 0
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)
    task: str = FIRST_TASK


@dataclass
class _Aside:
    """What is found while rows are read, one after the other: the fields are those of `Listing`."""

    rejects: list[Reject] = field(default_factory=list)
    feedback: int = 0
    forgotten: int = 0
    ignored: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    def first_reject(self) -> str:
        """What is wrong with the first row that cannot be used, in words; empty of none."""
        rejects = self.rejects
        return f"; the first of {len(rejects)}: {rejects[0].detail}" if rejects else ""


IsForgotten = Callable[[str], bool]


def list_utterances(
    data: Data,
    workflow_dir: Path,
    feedback: Path | Location | None = None,
    is_forgotten: IsForgotten = lambda speaker: False,
    task: str = FIRST_TASK,
) -> Listing:
    """The rows of `data` with targets of a `task`; paths in it are relative to `workflow_dir`.

    The rows of the manifest `feedback`, if it is there, are joined: their recordings lie in its
    folder, and their uris are relative to the folder above. Rows of a speaker that `is_forgotten`
    are left out.

    Raises:
        DataError: no manifest or folder is there, or no row in it can be used.
    """
    targets, aside = feeding.targets(task), _Aside()
    if data.generated is not None:
        rows = _list_generated(data.generated, is_forgotten, aside)
    elif data.folder is not None:
        rows = _list_folder(data, workflow_dir, is_forgotten, targets, aside)
    elif data.manifests is not None:
        rows = _list_manifests(data, workflow_dir, is_forgotten, targets, aside)
    else:
        raise DataError("data: expected one of manifests, folder, generated; got none")
    if feedback is not None and location_of(feedback).is_present():
        rows = _with_feedback(rows, location_of(feedback), is_forgotten, targets, aside)
    rows = in_order(_with_known_targets(rows, data, targets, aside), _canonical_order)
    rows = _without_duplicates(rows, aside)
    labels = Counter[str]()
    if feeding.features(task).GROUPED_BY is not None:
        rows = _counting(rows, labels)
    if data.cut is not None:
        from components.example_gen.windows import cut_recordings

        rows = cut_recordings(rows, data.cut)
    utterances = kept(rows)
    aside.rejects.sort(key=lambda reject: (reject.id, reject.reason, reject.uri, reject.detail))
    return Listing(
        utterances,
        aside.rejects,
        data.generated,
        aside.feedback,
        aside.forgotten,
        tuple(aside.ignored),
        (*aside.notes, *similar_labels(labels)),
        dict(sorted(aside.left_out.items())),
        task,
    )


def generated_uri(word: str, voice: str, take: int) -> str:
    """The uri of one generated clip."""
    return f"{GENERATED_SCHEME}{word}/{voice}/{take}"


def _list_generated(
    generated: Generated, is_forgotten: IsForgotten, aside: _Aside
) -> Iterator[Utterance]:
    from components.audio.synthesis import voices

    for voice in voices(generated.speakers, generated.seed):
        if is_forgotten(voice.name):
            aside.forgotten += len(generated.words) * generated.takes
            continue
        for word in generated.words:
            for take in range(generated.takes):
                uri = generated_uri(word, voice.name, take)
                yield Utterance(uri, uri, "", plain(word), voice.name)


def _list_folder(
    data: Data,
    workflow_dir: Path,
    is_forgotten: IsForgotten,
    targets: feeding.TargetReader,
    aside: _Aside,
) -> Iterator[Utterance]:
    folder = place_of(data.folder or "", workflow_dir)
    found = list_folder(folder, data, is_forgotten, targets)
    aside.rejects += found.rejects
    aside.forgotten += found.forgotten
    aside.ignored += found.ignored
    aside.notes += found.notes
    return iter(found.rows)


def find_manifests(data: Data, workflow_dir: Path) -> list[Location]:
    """The manifest files of `data`; of spans those of the newest `data.window`.

    Raises:
        DataError: a pattern matches no file.
    """
    return matching_files("data.manifests", manifest_patterns(data), workflow_dir, data.window)


def manifest_patterns(data: Data) -> list[str]:
    """What `data.manifests` names, as a list."""
    return [data.manifests] if isinstance(data.manifests, str) else data.manifests or []


def _list_manifests(
    data: Data,
    workflow_dir: Path,
    is_forgotten: IsForgotten,
    targets: feeding.TargetReader,
    aside: _Aside,
) -> Iterator[Utterance]:
    manifests = find_manifests(data, workflow_dir)
    root = common_root(manifest_patterns(data), workflow_dir)
    roots = [data.root] if isinstance(data.root, str) else data.root
    allowed = None if roots is None else [place_of(each, workflow_dir) for each in roots]
    is_empty = True
    for row in _read_manifests(manifests, root, allowed, is_forgotten, targets, aside):
        is_empty = False
        yield row
    if is_empty:
        names = ", ".join(str(path) for path in manifests[:3])
        raise DataError(f"data.manifests: no row of {names} can be used{aside.first_reject()}")


def _read_manifests(
    manifests: Iterable[Location],
    root: Location | None,
    allowed: list[Location] | None,
    is_forgotten: IsForgotten,
    targets: feeding.TargetReader,
    aside: _Aside,
) -> Iterator[Utterance]:
    """Recordings have to lie below one of `allowed`; where it is None, below `root`, or beside or
    below their manifest, and those that a row names by a URI anywhere.
    """
    spellings = Spellings()
    for manifest in manifests:
        bounds = [root or manifest.parent] if allowed is None else allowed
        folders = Folders(manifest.parent, bounds, any_uri=allowed is None)
        for row in _manifest_rows(manifest, root, folders, is_forgotten, targets, spellings):
            if row is None:
                aside.forgotten += 1
            elif isinstance(row, str):
                aside.ignored.append(row)
            elif isinstance(row, Utterance):
                yield row
            else:
                aside.rejects.append(row)
    aside.notes += spellings.notes()


def _with_feedback(
    rows: Iterable[Utterance],
    manifest: Location,
    is_forgotten: IsForgotten,
    targets: feeding.TargetReader,
    aside: _Aside,
) -> Iterator[Utterance]:
    """`rows` with those of a feedback manifest.

    A speaker whom the data has already keeps their split, or they would be in two.
    """
    splits: dict[str, str] = {}
    for row in rows:
        if row.speaker:
            splits[row.speaker] = row.split
        yield row
    folder = manifest.parent
    reader = _FeedbackTargets(targets)
    for row in _read_manifests([manifest], folder.parent, [folder], is_forgotten, reader, aside):
        aside.feedback += 1
        yield replace(
            row,
            split=row.split if row.is_must_pass else splits.get(row.speaker, row.split),
            metadata={k: row.metadata[k] for k in _FEEDBACK_METADATA if k in row.metadata},
        )


class _FeedbackTargets:
    """Reads targets of the feedback manifest, which has them as `label` whatever the task."""

    KEY = "label"

    def __init__(self, targets: feeding.TargetReader) -> None:
        self._targets = targets

    def read_target(self, row: Mapping[str, object]) -> str:
        return self._targets.read_target({self._targets.KEY: row.get(self.KEY)})


def _manifest_rows(
    manifest: Location,
    root: Location | None,
    folders: Folders,
    is_forgotten: IsForgotten,
    targets: feeding.TargetReader,
    spellings: Spellings,
) -> Iterator[Utterance | Reject | str | None]:
    """What each row becomes; None of a speaker that is forgotten, whose place is not kept. A file
    of macOS, which a script that listed a folder took for a clip, is named only.
    """
    prefix = name_below(root, manifest.parent)
    name = join_names(prefix, manifest.name)
    for number, read in read_rows(manifest):
        place = f"{name}:{number}"
        row = {} if isinstance(read, ClipError) else read
        try:
            if isinstance(read, ClipError):
                raise read
            spoken = row.get("speaker")
            if spoken is not None and is_forgotten(str(spoken)):
                yield None
            elif is_of_macos(written := text_of(row, "audio_filepath")):
                yield join_names(prefix, written)
            else:
                found, named = folders.find(written), _uri(written, prefix, root)
                yield _utterance(row, found, named, targets, spellings)
        except ClipError as error:
            uri = row.get("audio_filepath")
            uri = masked(uri) if isinstance(uri, str) and is_text(uri) else ""
            yield Reject(id=place, uri=uri, reason=error.reason, detail=f"{place}: {error.detail}")


def _uri(written: str, prefix: str, root: Location | None) -> str:
    """What a recording is called, from `root` on, that a manifest in the folder `prefix` names."""
    if "://" in written or posixpath.isabs(written):
        return name_below(root, location_of(written))
    return join_names(prefix, written)


def _utterance(
    row: dict[str, object],
    found: tuple[str, Seen | None],
    uri: str,
    targets: feeding.TargetReader,
    spellings: Spellings,
) -> Utterance:
    target = spellings.plain(targets.read_target(row))
    speaker = optional_text_of(row, "speaker")
    offset_s, duration_s = seconds_of(row, "offset"), seconds_of(row, "duration")
    if duration_s == 0.0:
        raise ClipError("empty", "duration is 0")
    channel = channel_of(row)
    path, seen = found
    return Utterance(
        id=text_of(row, "id") if row.get("id") is not None else _own_id(uri, offset_s, channel),
        uri=uri,
        path=path,
        target=target,
        speaker=spellings.plain(speaker) if speaker else "",
        offset_s=offset_s or 0.0,
        duration_s=duration_s,
        channel=channel,
        split=_split(row),
        metadata={
            key: masked(value) if isinstance(value := row[key], str) else value
            for key in sorted(row)
            if key not in _MANIFEST_KEYS
            and key != targets.KEY
            and isinstance(row[key], str | int | float)
        },
        seen=seen,
    )


def _own_id(uri: str, offset_s: float | None, channel: int | None) -> str:
    """The id of a row that states none."""
    offset = f"@{offset_s:.12g}" if offset_s else ""
    return f"{uri}{offset}" if channel is None else f"{uri}{offset}:{channel}"


def _split(row: dict[str, object]) -> str:
    """The split a row names, by any of the words in use; empty where it names none."""
    written = row.get("split")
    if written is None:
        return ""
    if not isinstance(written, str) or written not in _SPLIT_NAMES:
        raise ClipError("bad_row", f"split: expected train, eval or test, got {written!r:.200}")
    return _SPLIT_NAMES[written]


def _with_known_targets(
    rows: Iterable[Utterance], data: Data, targets: feeding.Targets, aside: _Aside
) -> Iterator[Utterance]:
    """Rows with targets that the task cannot use become rejects; those with a label that the
    workflow leaves out are only counted.
    """
    is_empty = True
    last = unknown = ""
    for row in rows:
        try:
            targets.check_target(row.target, data)
        except ClipError as error:
            if error.reason == "unknown_label":
                aside.left_out[row.target] += 1
                last, unknown = error.detail, row.target
            else:
                aside.rejects.append(_rejected(row.id, row.uri, error))
        else:
            is_empty = False
            yield row
    if is_empty:
        # Only now: of many labels the nearest to each would take a minute.
        near = f": {last}; nearest: {nearest(unknown, data.labels or [])!r}" if last else ""
        raise DataError(f"data: no row is left{near or aside.first_reject()}")


def _rejected(name: str, uri: str, error: ClipError) -> Reject:
    return Reject(id=name, uri=uri, reason=error.reason, detail=error.detail)


def _without_duplicates(rows: Iterable[Utterance], aside: _Aside) -> Iterator[Utterance]:
    """One row for each id: the first in an order that does not depend on the manifest's."""
    last = None
    for row in rows:
        if last is not None and last.id == row.id:
            aside.rejects.append(_rejected(row.id, row.uri, _fault_of_second(last, row)))
        else:
            last = row
            yield row


def _counting(rows: Iterable[Utterance], labels: Counter[str]) -> Iterator[Utterance]:
    for row in rows:
        labels[row.target] += 1
        yield row


def _fault_of_second(first: Utterance, row: Utterance) -> ClipError:
    """Why a row cannot be used that has the id of the `first`."""
    if row.audio == first.audio and row.target != first.target:
        labels = f"({first.target:.60}) and again ({row.target:.60})"
        return ClipError(TWO_LABELS, f"{row.id} {labels}")
    return ClipError("duplicate", f"another row has the id {row.id}")


def _canonical_order(row: Utterance) -> tuple[str, str, str, str, float, float, int]:
    duration_s = -1.0 if row.duration_s is None else row.duration_s
    channel = -1 if row.channel is None else row.channel
    return row.id, row.uri, row.target, row.speaker, row.offset_s, duration_s, channel
