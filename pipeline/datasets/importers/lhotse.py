"""lhotse manifests: recordings and supervisions, or cuts, as JSON lines, gzipped or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from components.example_gen.file_names import visible
from pipeline.datasets.importers.lhotse_recording import Recording, read_recording
from pipeline.datasets.importers.row import (
    Found,
    Item,
    Noted,
    Row,
    RowError,
    audio_path,
    read_json_lines,
    transcript,
)
from pipeline.datasets.importers.values import seconds, text_value
from schemas.errors import DataError
from schemas.manifest import CHANNEL, is_nothing

_KINDS = ("cuts", "recordings", "supervisions")
_SLACK_S = 1e-3  # what lhotse takes for the same time
_RESAMPLED = "resampled in lhotse; here the workflow's audio.sample_rate says how"
_METADATA = ("language", "gender")
_T = TypeVar("_T")


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each supervision of the manifests in `source`.

    A text of one word is also the label. What reaches out of a cut is cut off. Audio that is not in
    a file of its own, is changed by lhotse, or mixed, is skipped. Paths that are not absolute are
    taken from the folder that holds the manifests.
    """
    found = {
        kind: [
            *visible(source, source.glob(f"*{kind}*.jsonl")),
            *visible(source, source.glob(f"*{kind}*.jsonl.gz")),
        ]
        for kind in _KINDS
    }
    if found["recordings"] and found["supervisions"]:
        yield from (
            Noted(file.name, "not read: there are recordings and supervisions")
            for file in found["cuts"]
            if file not in found["recordings"] + found["supervisions"]
        )
        yield from _list_supervisions(source, found["recordings"], found["supervisions"])
    elif found["cuts"]:
        yield from _list_cuts(source, found["cuts"])
    else:
        raise DataError(
            f"{source} is not a lhotse data set: expected *recordings*.jsonl[.gz] with"
            " *supervisions*.jsonl[.gz], or *cuts*.jsonl[.gz]"
        )


@dataclass(frozen=True)
class _Window:
    """The part of a recording that supervisions are in: a cut, or all of it."""

    recording: Recording
    start_s: float = 0.0
    end_s: float | None = None
    channels: object = None
    name: str = ""


def _list_supervisions(
    source: Path, recordings: list[Path], supervisions: list[Path]
) -> Iterator[Item]:
    known: dict[str, Recording | RowError] = {}
    for file in recordings:
        for place, line in read_json_lines(file):
            try:
                name = text_value(_object(line), "id")
                recording = _recording_or_reason(line)
                if known.setdefault(name, recording) != recording:
                    known[name] = RowError("its recording is there twice, and differs", name)
            except RowError as error:
                yield error.at(place)
    for file in supervisions:
        for place, line in read_json_lines(file):
            try:
                name = text_value(_object(line), "recording_id")
                recording = known.get(name, RowError("no such recording", name))
                window = _Window(_or_raise(recording))
                yield Found(place, _row(source, _object(line), window))
                yield from _notes(place, window)
            except RowError as error:
                yield error.at(place)


def _list_cuts(source: Path, files: list[Path]) -> Iterator[Item]:
    for file in files:
        for place, line in read_json_lines(file):
            try:
                supervisions = _supervisions(_object(line))
            except RowError as error:
                yield error.at(place)
                continue
            try:
                window: _Window | RowError = _window(_unmixed(_object(line)))
            except RowError as error:
                window = error
            for supervision in supervisions:
                try:
                    row = _row(source, _object(supervision), _or_raise(window))
                except RowError as error:
                    yield error.at(place)
                else:
                    yield Found(place, row)
                    yield from _notes(place, _or_raise(window))


def _supervisions(cut: Row) -> list[object]:
    """Those of a cut, or of all cuts that are mixed in it."""
    tracks = cut.get("tracks")
    cuts = [_object(_object(track).get("cut")) for track in _list(tracks)] if tracks else [cut]
    found = [each for inner in cuts for each in _list(inner.get("supervisions"))]
    if not found:
        raise RowError("no supervision")
    return found


def _unmixed(cut: Row) -> Row:
    """The one cut in a mix with nothing but padding; a cut that is no mix itself."""
    if not cut.get("tracks"):
        return cut
    cuts = [_object(_object(track).get("cut")) for track in _list(cut["tracks"])]
    sounding = [inner for inner in cuts if inner.get("type") != "PaddingCut"]
    if len(sounding) != 1:
        raise RowError("a mix of several cuts")
    if cut.get("transforms"):
        raise RowError("audio that lhotse changes", cut["transforms"])
    return sounding[0]


def _window(cut: Row) -> _Window:
    recording = read_recording(cut.get("recording"))
    start_s = seconds(cut.get("start"), "start of the cut", least=-_SLACK_S)
    end_s = start_s + seconds(cut.get("duration"), "duration of the cut")
    _check_inside(recording, end_s, "its cut")
    name = "" if is_nothing(cut.get("id")) else text_value(cut, "id")
    return _Window(recording, max(0.0, start_s), end_s, cut.get(CHANNEL), name)


def _row(source: Path, supervision: Row, window: _Window) -> Row:
    """The start of a supervision is that in its cut, and a cut's that in its recording."""
    recording = window.recording
    start_s = window.start_s + seconds(supervision.get("start"), "start", least=float("-inf"))
    end_s = start_s + seconds(supervision.get("duration"), "duration")
    first_s, last_s = max(start_s, window.start_s), end_s
    if window.end_s is None:
        if start_s < -_SLACK_S:
            raise RowError("begins before its recording", supervision.get("start"))
        _check_inside(recording, end_s, "it")
    else:
        last_s = min(end_s, window.end_s)
    last_s = last_s if recording.duration_s is None else min(last_s, recording.duration_s)
    if round(last_s - first_s, 6) <= 0:
        raise RowError("nothing of it is in its cut" if window.name else "a duration of nothing")
    is_cut_off = first_s > start_s + _SLACK_S or last_s < end_s - _SLACK_S
    audio, channel = recording.find(supervision.get(CHANNEL), window.channels)
    text = "" if is_nothing(supervision.get("text")) else text_value(supervision, "text")
    return {
        "audio_filepath": audio_path(source, audio),
        "id": _id(supervision, window, is_cut_off),
        **transcript(text.strip()),
        "speaker": supervision.get("speaker"),
        "offset": round(first_s, 6),
        "duration": round(last_s - first_s, 6),
        CHANNEL: channel,
        **{key: supervision.get(key) for key in _METADATA},
    }


def _id(supervision: Row, window: _Window, is_cut_off: bool) -> str | None:
    """Windows of one supervision are clips of their own."""
    if is_nothing(supervision.get("id")):
        return None
    name = text_value(supervision, "id")
    return f"{name}@{window.name or f'{window.start_s:g}'}" if is_cut_off else name


def _check_inside(recording: Recording, end_s: float, what: str) -> None:
    if recording.duration_s is not None and end_s > recording.duration_s + _SLACK_S:
        raise RowError(f"{what} reaches beyond its recording", end_s)


def _notes(place: str, window: _Window) -> Iterator[Noted]:
    if window.recording.is_resampled:
        yield Noted(place, _RESAMPLED)


def _recording_or_reason(line: Row | RowError) -> Recording | RowError:
    try:
        return read_recording(line)
    except RowError as error:
        return error


def _or_raise(found: _T | RowError) -> _T:
    if isinstance(found, RowError):
        raise found
    return found


def _object(value: object) -> Row:
    if isinstance(value, RowError):
        raise value
    if not isinstance(value, dict):
        raise RowError("expected an object", value)
    return value


def _list(value: object) -> list[object]:
    if is_nothing(value):
        return []
    if not isinstance(value, list):
        raise RowError("expected a list", value)
    return value
