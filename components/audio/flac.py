"""The frames of a FLAC file, found by their headers (RFC 9639), for what its own header gets wrong.

STREAMINFO may state no length, too short a one (decoders stop there) or too long a one (of a file
that was cut). Its rate is that of the first frame; one that changes later would be played too fast.
"""

import functools
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from components.audio.layout import AS_IT_IS, Layout
from schemas.errors import ClipError

MAGIC = b"fLaC"
_STREAMINFO = (b"\0\0\0\x22", b"\x80\0\0\x22")  # heads of the first metadata block
_RATE_AT = 12  # the sizes of frames are before it
_INFO_AT = 18  # where 64 bits hold the rate, channels, bits and total
_TOTAL = (1 << 36) - 1
_SYNC = (b"\xff\xf8", b"\xff\xf9")  # of frames that are numbered, and of numbered samples
_RATES_HZ = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
_LAST_TRIES = 4  # what looks like the last header may be one by chance
_CRC8, _CRC16 = (0x07, 8), (0x8005, 16)  # polynomial and width


class _Frame(NamedTuple):
    """A frame's header; a rate of 0 is that of STREAMINFO."""

    at: int
    number: int
    samples: int
    rate_hz: int


class _Info(NamedTuple):
    """What STREAMINFO says, and where the frames begin; `samples` is 0 where it says nothing."""

    rate_hz: int
    samples: int
    audio_at: int


class _Stream(NamedTuple):
    """One FLAC file: what is to be decoded, the samples in it and those that it promises."""

    content: bytes
    found: int
    promised: int


def lay_out(data: bytes, checks_last: bool = False) -> Layout:
    """The layout of the FLAC file `data`, or of several that were joined.

    With `checks_last`, which takes long, a last frame that is cut is left out.

    Raises ClipError: `unreadable` (its sample rate changes on the way).
    """
    if not checks_last and (promised := _plainly_whole(data)):
        return Layout(frames=promised)
    starts = _starts(data)
    if not starts:
        return AS_IT_IS
    streams = []
    for start, end in pairwise([*starts, len(data)]):
        stream = _read_stream(data[start:end], checks_last)
        if stream is None:
            return AS_IT_IS
        streams.append(stream)
    found, promised = sum(each.found for each in streams), sum(each.promised for each in streams)
    missing = f"{found:,} of {promised:,} samples are there" if found < promised else ""
    return Layout(
        tuple(each.content for each in streams),
        promised,
        missing=missing,
        missing_frames=promised - found,
        has_holes=any(each.found < each.promised for each in streams[:-1]),
    )


def starts_as_frame(data: bytes) -> bool:
    """Whether `data` begins with a frame, as a stream does that lost its header."""
    return data[:2] in _SYNC and _read_frame(data, 0) is not None


def _starts(data: bytes) -> list[int]:
    """Where FLAC files begin in `data`: at most one, but in files that were joined."""
    starts = []
    for head in _STREAMINFO:
        at = data.find(MAGIC + head)
        while at >= 0:
            starts.append(at)
            info = _read_info(data, at)
            at = data.find(MAGIC + head, info.audio_at if info else at + 1)
    return sorted(starts)


def _read_info(data: bytes, start: int = 0) -> _Info | None:
    at, is_last = start + len(MAGIC), False
    while not is_last:
        if at + 4 > len(data):
            return None
        is_last, size = data[at] >= 0x80, int.from_bytes(data[at + 1 : at + 4], "big")
        at += 4 + size
    packed = int.from_bytes(data[start + _INFO_AT : start + _INFO_AT + 8], "big")
    return _Info(packed >> 44, packed & _TOTAL, at)


def _read_stream(data: bytes, checks_last: bool) -> _Stream | None:
    """None where the frames cannot be told: what it is, a decoder has to say."""
    info = _read_info(data)
    frames = list(_consecutive_frames(data, info.audio_at)) if info else []
    if not info or not frames:
        return None
    _check_constant_rate(frames, info)
    end, cut = len(data), 0
    if checks_last and _crc(data[frames[-1].at :], _CRC16):
        end, cut = frames[-1].at, frames.pop().samples
    found = sum(frame.samples for frame in frames)
    promised = max(info.samples, found + cut)
    if found == info.samples and end == len(data):
        return _Stream(data, found, promised)
    packed = int.from_bytes(data[_INFO_AT : _INFO_AT + 8], "big") & ~_TOTAL | found
    content = data[:_INFO_AT] + packed.to_bytes(8, "big") + data[_INFO_AT + 8 : end]
    return _Stream(content, found, promised)


def _plainly_whole(data: bytes) -> int:
    """The samples of a file, all frames but the last of one size, that is what it says; else 0.

    Tells by the first and the last frame what reading all would tell, in a quarter of the time.
    """
    # A second file behind this one has the same sizes of frames, or the count below is wrong.
    is_one = data.startswith(MAGIC) and data.find(data[:_RATE_AT], 1) < 0
    info = _read_info(data) if is_one else None
    first = _read_frame(data, info.audio_at) if info else None
    if not info or not first or first.number or first.rate_hz not in (0, info.rate_hz):
        return 0
    at, last = len(data), None
    for _ in range(_LAST_TRIES):
        at = data.rfind(_SYNC[0], 0, at)
        last = _read_frame(data, at) if at >= 0 else None
        if last is not None:
            break
    if last is None or last.rate_hz != first.rate_hz:
        return 0
    return info.samples if last.number * first.samples + last.samples == info.samples else 0


def _check_constant_rate(frames: list[_Frame], info: _Info) -> None:
    at = 0
    for frame in frames:
        if frame.rate_hz not in (0, info.rate_hz):
            changes = f"its sample rate changes from {info.rate_hz} to {frame.rate_hz} Hz"
            raise ClipError("unreadable", f"{changes} after {at:,} samples", "flac")
        at += frame.samples


def _consecutive_frames(data: bytes, start: int) -> Iterator[_Frame]:
    """The frames of which each follows the one before; what looks like a header by chance does
    not.
    """
    sync = data[start : start + 2]
    if sync not in _SYNC:
        return
    counts_frames = sync == _SYNC[0]
    expected: int | None = None
    at = start
    while at >= 0:
        frame = _read_frame(data, at)
        if frame is not None and expected in (None, frame.number):
            expected = frame.number + (1 if counts_frames else frame.samples)
            yield frame
        at = data.find(sync, at + 2)


def _read_frame(data: bytes, at: int) -> _Frame | None:
    """The frame whose header is at `at`; None where there is no such header."""
    head = data[at : at + 16]
    if len(head) < 6 or head[3] & 1:
        return None
    sizes, rates = head[2] >> 4, head[2] & 15
    ones = f"{head[4]:08b}".index("0") if head[4] != 0xFF else 8
    number_bytes = max(1, ones)
    end = 4 + number_bytes + {6: 1, 7: 2}.get(sizes, 0) + {12: 1, 13: 2, 14: 2}.get(rates, 0)
    if (
        ones in (1, 8)
        or not sizes
        or rates == 15
        or len(head) <= end
        or _crc(head[: end + 1], _CRC8)
    ):
        return None
    number = head[4] & 0x7F >> ones
    for byte in head[5 : 4 + number_bytes]:
        number = number << 6 | byte & 0x3F
    more = head[4 + number_bytes : end]
    if sizes in (6, 7):
        samples, more = int.from_bytes(more[: sizes - 5], "big") + 1, more[sizes - 5 :]
    else:
        samples = 192 if sizes == 1 else 576 << sizes - 2 if sizes < 6 else 256 << sizes - 8
    rate_hz = _RATES_HZ[rates] if rates < 12 else int.from_bytes(more, "big")
    rate_hz *= {12: 1000, 14: 10}.get(rates, 1)
    return _Frame(at, number, samples, rate_hz)


def _crc(content: bytes, kind: tuple[int, int]) -> int:
    """The remainder of `content`; 0 where it ends with its own checksum."""
    polynomial, width = kind
    remainder, mask = 0, (1 << width) - 1
    table = _crc_table(polynomial, width)
    for byte in content:
        remainder = (remainder << 8 & mask) ^ table[remainder >> width - 8 ^ byte]
    return remainder


@functools.cache
def _crc_table(polynomial: int, width: int) -> list[int]:
    table = []
    for byte in range(256):
        remainder = byte << width - 8
        for _ in range(8):
            remainder = remainder << 1 ^ (polynomial if remainder >> width - 1 else 0)
            remainder &= (1 << width) - 1
        table.append(remainder)
    return table
