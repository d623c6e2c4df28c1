"""The frames of an MP3 file, found one by one: where the sound is, and whether all of it is there.

Decoders give up at what stands before the first frame (zeros, tags that they do not know, the rest
of a frame), believe a wrong count in the Xing header, and read one of two files that were joined.
They are handed the frames alone, one recording at a time, with a count that is right.
"""

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from components.audio.layout import AS_IT_IS, Layout

_ENOUGH = 4  # frames in a row, which nothing else has
_SYNC = re.compile(rb"\xff[\xe2-\xff]")
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {  # by layer, of MPEG 1
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_KBPS_LOW = {  # of MPEG 2 and 2.5, whose rates are lower
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_ID3V2, _ID3V2_HEAD = b"ID3", 10
_ID3V1, _ID3V1_BYTES = b"TAG", 128
_APE, _APE_HEAD, _APE_IS_HEAD = b"APETAGEX", 32, 1 << 29
_XING, _XING_COUNTS = (b"Xing", b"Info"), 1
_MOST_BEFORE_HEAD = 64  # bytes of a frame before what states a count
_VBRI, _VBRI_AT, _VBRI_COUNT_AT = b"VBRI", 36, 50
_SLACK_FRAMES = 2  # some encoders count the frame of the header too
_DELAY_FRAMES = 3  # without sound at the start and end: encoder's and decoder's delay


class _Kind(NamedTuple):
    """What all frames of a recording have in common."""

    version: int  # 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5
    layer: int
    rate_hz: int
    is_mono: bool

    @property
    def samples(self) -> int:
        """Of a frame."""
        if self.layer == 1:
            return 384
        return 1152 if self.layer == 2 or self.version == 3 else 576

    @property
    def side_bytes(self) -> int:
        """What stands between a frame's header and its sound, in layer 3."""
        return (17 if self.is_mono else 32) if self.version == 3 else 9 if self.is_mono else 17


class _Head(NamedTuple):
    """The count of a recording's frames, in the first one, which holds no sound; 0 is none."""

    at: int
    frames: int


@dataclass
class _Recording:
    """What an encoder wrote in one go; `broken_bytes` among its frames are none."""

    kind: _Kind
    head: _Head | None
    frames: list[tuple[int, int]] = field(default_factory=list)
    broken_bytes: int = 0
    is_cut: bool = False

    @property
    def count(self) -> int:
        """Of its frames that hold sound."""
        return len(self.frames) - (self.head is not None)


def starts_as_mp3(data: bytes) -> bool:
    """Whether the frames of an MP3 begin somewhere in `data`, whatever stands before them."""
    return _find_run(data, 0) is not None


def lay_out(data: bytes) -> Layout:
    """The layout of the MP3 file `data`, or of several that were joined."""
    recordings = list(_find_recordings(data))
    if not recordings:
        return AS_IT_IS
    samples = recordings[0].kind.samples
    lost = [_missing(each) for each in recordings]
    counted = all(each.head is None for each in recordings)
    is_fine = len(recordings) == 1 and _is_fine(data, recordings[0])
    return Layout(
        parts=() if is_fine else tuple(_content(data, each) for each in recordings),
        frames=sum(each.count for each in recordings) * samples if counted else None,
        slack=_DELAY_FRAMES * samples,
        missing="; ".join(words for words, _ in lost if words),
        missing_frames=sum(frames for _, frames in lost) * samples,
        has_holes=any(each.broken_bytes for each in recordings) or any(w for w, _ in lost[:-1]),
    )


def _missing(recording: _Recording) -> tuple[str, int]:
    """What a recording lacks, in words and in frames; 0 where nobody knows."""
    count, stated = recording.count, recording.head.frames if recording.head else 0
    if stated:
        is_less = count < stated - _SLACK_FRAMES
        return (f"{count:,} of {stated:,} frames are there", stated - count) if is_less else ("", 0)
    frame_bytes = sum(end - start for start, end in recording.frames) / len(recording.frames)
    if (broken := round(recording.broken_bytes / frame_bytes)) > 1:
        return f"{recording.broken_bytes:,} bytes among its frames are no frames", broken
    return ("its last frame is cut off", 0) if recording.is_cut else ("", 0)


def _is_fine(data: bytes, recording: _Recording) -> bool:
    """Whether a decoder can be given the file as it is."""
    start, _ = recording.frames[0]
    is_alone = not recording.broken_bytes and start == _skip_id3v2(data, 0)
    return is_alone and _tells_count(recording)


def _tells_count(recording: _Recording) -> bool:
    """Whether a decoder finds out by itself how many frames there are: it stops where it thinks
    that the end is, which is a guess where no count is stated and frames differ in size.
    """
    if recording.head is not None and recording.head.frames:
        return recording.head.frames >= recording.count
    sizes = {end - start for start, end in recording.frames}
    return recording.kind.layer != 3 or max(sizes) - min(sizes) <= 1


def _content(data: bytes, recording: _Recording) -> bytes:
    """Its frames alone, and the right count in the first."""
    frames, head = recording.frames, recording.head
    content = bytearray().join(data[start:end] for start, end in frames)
    if _tells_count(recording):
        return bytes(content)
    if head is not None and head.frames:
        at = head.at - frames[0][0]
        content[at : at + 4] = recording.count.to_bytes(4, "big")
        return bytes(content)
    start = frames[1][0] if head is not None and recording.count else frames[0][0]
    counting = _counting_frame(data[start : start + 4], recording)
    return counting + bytes(content[start - frames[0][0] :])


def _counting_frame(header: bytes, recording: _Recording) -> bytes:
    """A frame without sound, as encoders write it first, that states the count. From then on
    libsndfile leaves out the 529 samples before the first sound, the delay of any decoder.
    """
    kind = recording.kind
    content = bytes(kind.side_bytes) + _XING[0] + _XING_COUNTS.to_bytes(4, "big")
    content += recording.count.to_bytes(4, "big")
    for rate in range(1, 15):  # the lowest bit rate that it fits into
        third = rate << 4 | header[2] & 0x0C
        found = _read_frame_header(header[1] | 1, third, kind.is_mono)
        if found is not None and found[1] >= 4 + len(content):
            return (bytes([0xFF, header[1] | 1, third, header[3]]) + content).ljust(found[1], b"\0")
    return b""


def _find_recordings(data: bytes) -> Iterator[_Recording]:
    recording: _Recording | None = None
    heads = _find_heads(data)
    at = _skip_id3v2(data, 0)
    while at < len(data):
        found = _frame_at(data, at)
        if found is None or recording is None or found[0] != recording.kind:
            start = _find_start(data, at)
            if start is None:
                break
            kind, length = _frame_at(data, start) or (None, 0)
            assert kind is not None
            if recording is not None and kind == recording.kind:
                recording.broken_bytes += start - _skip_tags(data, at)
            elif recording is not None:
                yield recording
                recording = None
            at = start
        else:
            kind, length = found
        head = _read_head(data, at, kind, heads) if heads else None
        if recording is None or (head is not None and recording.frames):
            if recording is not None:
                yield recording
            recording = _Recording(kind, head)
        if at + length > len(data):
            recording.is_cut = True
            break
        recording.frames.append((at, at + length))
        at = _follow(data, at + length, recording, min((h for h in heads if h > at), default=0))
    if recording is not None and recording.frames:
        yield recording


def _follow(data: bytes, at: int, recording: _Recording, head: int) -> int:
    """Takes the frames that follow at `at`, up to the one that may hold `head`; where it ends. Only
    faster than going from one to the next: most files are nothing else.
    """
    end = (head or len(data)) - _MOST_BEFORE_HEAD
    start = recording.frames[-1][0]
    second, is_mono, append = data[start + 1], recording.kind.is_mono, recording.frames.append
    lengths = _frame_lengths(second, recording.kind)
    while at < end and data[at] == 0xFF and data[at + 1] == second:
        length = lengths[data[at + 2]]
        if not length or (data[at + 3] >= 0xC0) != is_mono or at + length > end:
            break
        append((at, at + length))
        at += length
    return at


@functools.cache
def _frame_lengths(second: int, kind: _Kind) -> list[int]:
    """The bytes of a frame of a `kind` by the third byte of its header; 0 of another kind."""
    found = (_read_frame_header(second, third, kind.is_mono) for third in range(256))
    return [each[1] if each is not None and each[0] == kind else 0 for each in found]


def _find_start(data: bytes, at: int) -> int | None:
    """Where frames go on behind tags or whatever is at `at`."""
    behind = _skip_tags(data, at)
    if behind > at and _is_run(data, behind):
        return behind
    return _find_run(data, at)


def _find_run(data: bytes, at: int) -> int | None:
    for match in _SYNC.finditer(data, at):
        if _is_run(data, match.start()):
            return match.start()
    return None


def _is_run(data: bytes, at: int) -> bool:
    """Whether enough frames of one kind follow each other; fewer where the file ends with them."""
    kinds = set()
    for count in range(_ENOUGH):
        found = _frame_at(data, at)
        if found is None:
            return count > 1 and _skip_tags(data, at) == len(data)
        kinds.add(found[0])
        if len(kinds) > 1:
            return False
        at += found[1]
    return True


def _frame_at(data: bytes, at: int) -> tuple[_Kind, int] | None:
    """The kind of the frame whose header is at `at`, and its length in bytes."""
    if at + 4 > len(data) or data[at] != 0xFF:
        return None
    return _read_frame_header(data[at + 1], data[at + 2], data[at + 3] >> 6 == 3)


@functools.cache
def _read_frame_header(second: int, third: int, is_mono: bool) -> tuple[_Kind, int] | None:
    """ISO 11172-3, 2.4.1.3; None of what is none, and of frames that do not state their length."""
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate, rate_of = third >> 2 & 3, third >> 4
    if second < 0xE0 or version == 1 or layer == 4 or rate == 3 or rate_of in (0, 15):
        return None
    kind = _Kind(version, layer, _RATES_HZ[version][rate], is_mono)
    bits = (_KBPS if version == 3 else _KBPS_LOW)[layer][rate_of] * 1000
    padding = third >> 1 & 1
    if layer == 1:
        return kind, (12 * bits // kind.rate_hz + padding) * 4
    return kind, kind.samples // 8 * bits // kind.rate_hz + padding


def _find_heads(data: bytes) -> set[int]:
    """Where something stands that may be a Xing or VBRI header."""
    found = set()
    for mark in (*_XING, _VBRI):
        at = data.find(mark)
        while at >= 0:
            found.add(at)
            at = data.find(mark, at + 1)
    return found


def _read_head(data: bytes, at: int, kind: _Kind, heads: set[int]) -> _Head | None:
    """The Xing or VBRI header in the frame at `at`, where it has one."""
    xing = at + 4 + kind.side_bytes
    if xing in heads:
        is_counted = len(data) >= xing + 12 and data[xing + 7] & _XING_COUNTS
        return _Head(xing + 8, _number(data, xing + 8) if is_counted else 0)
    if at + _VBRI_AT in heads:
        return _Head(at + _VBRI_COUNT_AT, _number(data, at + _VBRI_COUNT_AT))
    return None


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _skip_tags(data: bytes, at: int) -> int:
    """Where the tags that begin at `at` end."""
    start = -1
    while start != at:
        start = at
        at = _skip_id3v2(data, at)
        if data.startswith(_ID3V1, at):
            at = min(len(data), at + _ID3V1_BYTES)
        if data.startswith(_APE, at):
            size, flags = (int.from_bytes(data[at + n : at + n + 4], "little") for n in (12, 20))
            at = min(len(data), at + _APE_HEAD + (size if flags & _APE_IS_HEAD else 0))
    return at


def _skip_id3v2(data: bytes, at: int) -> int:
    """Where the ID3v2 tags that begin at `at` end; `at` where no frame follows at that place."""
    end = at
    while data.startswith(_ID3V2, end):
        end = id3v2_end(data, end)
    return end if end == len(data) or _frame_at(data, end) else at


def id3v2_end(data: bytes, at: int) -> int:
    """Where the ID3v2 tag that begins at `at` ends, by its own word."""
    size = data[at + 6 : at + _ID3V2_HEAD]
    places = zip(size, (21, 14, 7, 0), strict=False)
    return at + _ID3V2_HEAD + sum((byte & 0x7F) << shift for byte, shift in places)
