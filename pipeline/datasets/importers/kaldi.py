"""Kaldi data folders: wav.scp, and where there are, segments, utt2spk, text and channels."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.audio.probe import Header, probe
from components.example_gen.text_tables import read_keyed
from components.storage.location import location_of
from pipeline.datasets.importers.row import (
    Found,
    Item,
    Noted,
    Row,
    RowError,
    audio_path,
    require,
    transcript,
)
from pipeline.datasets.importers.values import channel, number, seconds
from schemas.manifest import CHANNEL
from schemas.text import composed

_TO_THE_END = -1.0  # as an end of a segment
_IN_ARCHIVE = re.compile(r".*:\d+")
_CHANNELS = "reco2file_and_channel"
_TIMES = "expected a recording, a start and an end in seconds"


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each segment, or for each recording where there is no file of segments.

    A text of one word is also the label. The fifth word of a segment is its channel, from 0 on; so
    is what reco2file_and_channel says of its recording. Commands in wav.scp (`sph2pipe ... |`) are
    never run: their rows are skipped.
    """
    require(source, "wav.scp", layout="kaldi")
    recordings = _read(source / "wav.scp")
    segments = _read(source / "segments")
    channels = _recording_channels(source, recordings)
    rows = segments if segments.is_there else recordings
    sides = [_read_speakers(source), _read(source / "text")]
    for name, value in rows.lines:
        place = f"{rows.name}: {name}"
        try:
            clip = _segment(value) if rows is segments else {"recording": name}
            recording = str(clip.pop("recording"))
            written = recordings.get(recording) if rows is segments else value
            row = {"audio_filepath": _audio(source, written), "id": name, **clip}
            row[CHANNEL] = _channel(row.get(CHANNEL), channels.get(composed(recording)))
            speaker, text = (side.get(name) for side in sides)
        except RowError as error:
            yield error.at(place)
            continue
        yield Found(place, row | transcript(text) | {"speaker": speaker})
    for side in sides:
        yield from _unmatched(side, [name for name, _ in rows.lines], rows.name)


@dataclass
class _Table:
    """The lines of a table, and its values by key; keys are the same however they are composed."""

    name: str
    is_there: bool = True
    lines: list[tuple[str, str]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)

    def get(self, key: str) -> str:
        """The value of a key; empty where there is none.

        Raises:
            RowError: there are two.
        """
        if composed(key) in self.twice:
            raise RowError(f"{self.name} has two lines of it, which differ", key)
        return self.values.get(composed(key), "")

    def add(self, written: str, value: str) -> None:
        """Adds a line."""
        self.lines.append((written, value))
        key = composed(written)
        if self.values.setdefault(key, value) != value:
            self.twice.add(key)


def _read(path: Path) -> _Table:
    """A table; an empty one where there is no such file."""
    table = _Table(path.name, path.is_file())
    for _, key, value in read_keyed(location_of(path)) if table.is_there else ():
        table.add(key, value)
    return table


def _read_speakers(source: Path) -> _Table:
    """The speaker of each utterance; from spk2utt where there is no utt2spk."""
    table = _read(source / "utt2spk")
    if table.is_there:
        return table
    turned = _read(source / "spk2utt")
    table = _Table(turned.name, turned.is_there)
    for speaker, utterances in turned.lines:
        for utterance in utterances.split():
            table.add(utterance, speaker)
    return table


def _segment(value: str) -> Row:
    recording, *times = value.split() or [""]
    if len(times) not in (2, 3):
        raise RowError(_TIMES, value)
    start, end = map(number, times[:2])
    if start is None or end is None:
        raise RowError(_TIMES, value)
    row: Row = {"recording": recording, "offset": seconds(start, "start")}
    if end != _TO_THE_END:
        if end <= start:
            raise RowError("an end that is not after its start", value)
        row["duration"] = round(end - start, 6)
    if times[2:]:
        row[CHANNEL] = channel(times[2])
    return row


def _audio(source: Path, written: str) -> str:
    """The file that wav.scp names."""
    if not written:
        raise RowError("no such recording")
    if written.endswith("|") or written.startswith("|"):
        raise RowError("a command instead of a file")
    path = audio_path(source, written)
    if _IN_ARCHIVE.fullmatch(written) and not Path(path).exists():
        raise RowError("a place in an archive instead of a file", written)
    return path


def _recording_channels(source: Path, recordings: _Table) -> dict[str, int | RowError]:
    """What reco2file_and_channel says: A is the first channel of a file, and so is 1.

    A recording that has its file for itself may be cut out of the file that is meant: then the
    file has one channel.
    """
    table = _read(source / _CHANNELS)
    found: dict[str, int | RowError] = {}
    for key in table.values:
        try:
            found[key] = _numbered(table.get(key))
        except RowError as error:
            found[key] = error
    sharing = Counter(recordings.values.values())
    alone = {
        key: audio_path(source, written)
        for key, written in recordings.values.items()
        if sharing[written] == 1 and found.get(key)
    }
    for key, header in zip(alone, probe(alone.values()), strict=True):
        if isinstance(header, Header) and header.channels == 1:
            found[key] = 0
    return found


def _numbered(value: str) -> int:
    """Raises RowError for what is no file and channel."""
    _, *named = value.split()
    letter = named[0].upper() if len(named) == 1 else ""
    if re.fullmatch("[A-Z]", letter):
        return ord(letter) - ord("A")
    if re.fullmatch("[1-9][0-9]{0,4}", letter):
        return int(letter) - 1
    raise RowError(f"{_CHANNELS}: expected a file and a channel such as A", value)


def _channel(of_segment: object, of_recording: int | RowError | None) -> object:
    if isinstance(of_recording, RowError):
        raise of_recording
    if None not in (of_segment, of_recording) and of_segment != of_recording:
        raise RowError(f"segments and {_CHANNELS} name different channels")
    return of_recording if of_segment is None else of_segment


def _unmatched(side: _Table, names: Collection[str], rows: str) -> Iterator[Noted]:
    """What a table beside the rows lacks, and what it has too much."""
    there = {composed(name) for name in names}
    if side.is_there:
        for name in names:
            if not side.values.get(composed(name)):
                yield Noted(f"{rows}: {name}", f"{side.name} says nothing of it")
    for name, _ in side.lines:
        if composed(name) not in there:
            yield Noted(f"{side.name}: {name}", f"{rows} does not have it")
