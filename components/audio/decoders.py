"""Which library decodes a file: libsndfile what it can, FFmpeg the rest, one after the other."""

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np

from components.audio import boxes, flac, mpeg, ogg, sizes
from components.audio.layout import AS_IT_IS, Layout
from components.audio.sndfile import SndfileDecoder
from schemas.errors import ClipError

if TYPE_CHECKING:
    from components.audio.ffmpeg import FfmpegDecoder

_FFMPEG_CONTAINERS = ("mp4", "webm", "aac")
_EITHER_CONTAINERS = ("flac", "ogg")  # libsndfile lacks some depths of FLAC, and Ogg FLAC
_LAYOUTS: dict[str, Callable[[bytes], Layout]] = {
    "flac": flac.lay_out,
    "mp3": mpeg.lay_out,
    "ogg": ogg.lay_out,
}


class Decoder(Protocol):
    """A file opened by one library; what it raises is a ClipError."""

    name: str
    container: str
    rate_hz: int
    channels: int
    frames: int  # never fewer than there are, maybe more
    promised: int | None  # by the header; None where it does not say
    at: int  # the frame that is read next
    seeks_exactly: bool  # or else only back to frame 0

    def seek(self, frame: int) -> None:
        """The frame that is read next."""

    def read(self, frames: int) -> np.ndarray:
        """The next `frames` or, at the end, fewer: float32 [frames, channels]."""

    def close(self) -> None:
        """Lets go of the file."""


def lay_out(head: bytes, container: str, size: int) -> Layout:
    """The layout of a file of `size` bytes that begins with `head`. Where that is not all of it,
    only sizes that the header of plain sound states are looked at.

    Raises ClipError: `unreadable` (it is no one recording).
    """
    if container in sizes.CONTAINERS:
        return sizes.lay_out(head, container, size)
    if len(head) < size:
        return AS_IT_IS
    if container in _FFMPEG_CONTAINERS:
        return boxes.lay_out(head, container)
    return _LAYOUTS[container](head)


def open_decoder(source: BinaryIO | bytes, container: str, layout: Layout) -> Decoder:
    """The decoder of a file, which is read from its start on, as `layout` says.

    Raises ClipError: `truncated` (nothing of it can be decoded, and part of it is missing),
    `unsupported`, `unreadable`.
    """
    try:
        opened = [_open(part, container) for part in layout.parts or (source,)]
    except ClipError as error:
        if layout.missing and error.reason == "unreadable":
            raise ClipError(
                "truncated", f"{layout.missing}; {error.detail}", error.decoder
            ) from error
        raise
    return opened[0] if len(opened) == 1 else _Chain(opened)


def _open(source: BinaryIO | bytes, container: str) -> Decoder:
    if container in _FFMPEG_CONTAINERS:
        return _open_ffmpeg(source, container)
    try:
        return SndfileDecoder(source)
    except ClipError as error:
        if container not in _EITHER_CONTAINERS:
            raise
        try:
            decoder = _open_ffmpeg(source, container)
            is_empty = decoder.is_empty()
        except ClipError as other:
            raise (other if other.reason == error.reason == "unsupported" else error) from error
        if is_empty:
            raise
        return decoder


def _open_ffmpeg(source: BinaryIO | bytes, container: str) -> "FfmpegDecoder":
    from components.audio.ffmpeg import FfmpegDecoder

    return FfmpegDecoder(source, container)


class _Chain:
    """Recordings that were joined to one file, as one."""

    def __init__(self, links: list[Decoder]) -> None:
        first = links[0]
        for link in links[1:]:
            if (link.rate_hz, link.channels) != (first.rate_hz, first.channels):
                found = " and ".join(
                    f"{each.rate_hz} Hz, {each.channels}" for each in (first, link)
                )
                detail = f"several recordings in one file, of {found} channels"
                raise ClipError("unreadable", detail, first.name)
        self._links = links
        self._turn = 0
        self.name, self.container = first.name, first.container
        self.rate_hz, self.channels = first.rate_hz, first.channels
        self.frames = sum(link.frames for link in links)
        promised = [link.promised for link in links if link.promised is not None]
        self.promised = sum(promised) if len(promised) == len(links) else None
        self.at = 0
        self.seeks_exactly = False

    def seek(self, frame: int) -> None:
        """Only back to 0."""
        for link in self._links:
            link.seek(0)
        self._turn = self.at = 0

    def read(self, frames: int) -> np.ndarray:
        parts: list[np.ndarray] = []
        while frames > 0 and self._turn < len(self._links):
            block = self._links[self._turn].read(frames)
            if not len(block):
                self._turn += 1
                continue
            parts.append(block)
            frames -= len(block)
            self.at += len(block)
        return np.concatenate(parts) if parts else np.empty((0, self.channels), np.float32)

    def close(self) -> None:
        for link in self._links:
            link.close()
