"""The pages of an Ogg file (RFC 3533): whether all are there, and whole, to the last.

A page that is missing or damaged is dropped by decoders without a word, and everything behind it
comes too early; what comes after the end of the first stream is not read at all.
"""

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from components.audio.layout import AS_IT_IS, Layout

_MAGIC = b"OggS"
_HEAD_BYTES = 27  # before the table of segments
_IS_FIRST, _IS_LAST = 2, 4
_NO_POSITION = (1 << 64) - 1  # of a page on which no packet ends
_OPUS, _OPUS_RATE_HZ = b"OpusHead", 48000
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    """One page that is whole; `position` counts samples up to its end."""

    start: int
    end: int
    flags: int
    position: int
    serial: int
    number: int


class _Link(NamedTuple):
    """The pages of one stream of a chain."""

    pages: list[_Page]

    @property
    def holes(self) -> list[tuple[_Page, _Page]]:
        """The pages around those that are missing."""
        return [
            (one, next_)
            for one, next_ in zip(self.pages, self.pages[1:], strict=False)
            if next_.number != one.number + 1
        ]


def lay_out(data: bytes) -> Layout:
    """The layout of the Ogg file `data`; of several streams side by side nothing is said."""
    links: list[list[_Page]] = []
    for page in _pages(data):
        if page.flags & _IS_FIRST:
            links.append([])
        if not links or (links[-1] and page.serial != links[-1][0].serial):
            return AS_IT_IS
        links[-1].append(page)
    if not links:
        return AS_IT_IS
    chain = [_Link(pages) for pages in links]
    lost = [_missing(link) for link in chain]
    ends = [pages[0].start for pages in links[1:]] + [len(data)]
    parts = [data[pages[0].start : end] for pages, end in zip(links, ends, strict=True)]
    return Layout(
        parts=tuple(parts) if len(parts) > 1 else (),
        missing="; ".join(words for words, _ in lost if words),
        missing_frames=sum(frames for _, frames in lost),
        has_holes=any(link.holes for link in chain) or any(words for words, _ in lost[:-1]),
    )


def _missing(link: _Link) -> tuple[str, int]:
    """What a stream lacks, in words and, as far as its pages tell, in samples."""
    words, samples = [], 0
    for one, next_ in link.holes:
        words.append(f"pages {one.number + 1} to {next_.number - 1} are missing or damaged")
        if _NO_POSITION not in (one.position, next_.position):
            samples += max(0, next_.position - one.position)
    if not link.pages[-1].flags & _IS_LAST:
        words.append("the last page is missing")
    return "; ".join(words), samples


def _pages(data: bytes) -> Iterator[_Page]:
    at = data.find(_MAGIC)
    while at >= 0:
        page = _read_page(data, at)
        if page is not None:
            yield page
        at = data.find(_MAGIC, at + 4 if page is None else page.end)


def _read_page(data: bytes, at: int) -> _Page | None:
    """The page at `at`; None where it is cut, or not what was written."""
    head = data[at : at + _HEAD_BYTES]
    if len(head) < _HEAD_BYTES:
        return None
    table = data[at + _HEAD_BYTES : at + _HEAD_BYTES + head[26]]
    end = at + _HEAD_BYTES + len(table) + sum(table)
    if len(table) < head[26] or end > len(data):
        return None
    position, serial, number, checksum = (
        int.from_bytes(head[start:stop], "little")
        for start, stop in ((6, 14), (14, 18), (18, 22), (22, 26))
    )
    if _checksum(head[:22] + bytes(4) + data[at + 26 : end]) != checksum:
        return None
    return _Page(at, end, head[5], position, serial, number)


def _checksum(page: bytes) -> int:
    """The CRC of Ogg: that of zlib with the bits of each byte, and of the result, the other way
    round, and nothing inverted.
    """
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")
