"""What the headers of files claim, read in a child process, which a damaged file may crash."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from components.audio.decode import AudioFile
from components.storage.location import location_of
from components.subprocess_pool import Failure, SubprocessPool
from schemas.errors import ClipError


@dataclass(frozen=True)
class Header:
    """Length in seconds, sample rate in Hz and number of channels, as the header claims them; the
    length is measured where the header says nothing, or what cannot be.
    """

    duration_s: float
    rate_hz: int
    channels: int


def probe(paths: Iterable[str]) -> Iterator[Header | str]:
    """The header of each file, a path or a URI, in their order, or why it cannot be read."""
    pool: SubprocessPool[str, Header | str] = SubprocessPool(read_header)
    try:
        for answer in pool.map(paths):
            yield answer.detail if isinstance(answer, Failure) else answer
    finally:
        pool.close()


def read_header(path: str) -> Header | str:
    """The header of one file, in this process, or why it cannot be read."""
    try:
        with location_of(path).open() as file, AudioFile(file) as audio:
            length_s = audio.duration_s
            length_s = audio.measure_s() if length_s is None else length_s
            return Header(length_s, audio.rate_hz, audio.channels)
    except ClipError as error:
        return str(error)
    except OSError as error:
        return str(error.strerror)
