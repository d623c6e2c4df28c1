"""Recordings of noise, divided like clips: what training hears, evaluation never does."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.audio.source_file import Recording
from components.subprocess_pool import Failure, SubprocessPool
from schemas.background import LONGEST_S, BackgroundRecording
from schemas.errors import ClipError, DataError
from schemas.progress import report_news

Part = Literal["train", "eval", "test"]

_TURNS: tuple[Part, ...] = ("train", "test", "train", "eval", "train")  # of files, in their order
_SHARES: dict[Part, tuple[float, float]] = {
    "train": (0.0, 0.6),
    "eval": (0.6, 0.8),
    "test": (0.8, 1.0),
}
_SILENCE = 1e-4  # a peak below it is no noise
_NAMED = 3


class Stretch(NamedTuple):
    """Where some noise is: in a file, in seconds."""

    name: str
    path: str
    sha256: str
    start_s: float
    length_s: float


def read_noises(
    recordings: Sequence[BackgroundRecording],
    part: Part,
    samples: int,
    sample_rate: int,
    most: int,
) -> NDArray[np.float32]:
    """Up to `most` stretches of one part of the recordings, float32 [stretches, samples].

    A recording that cannot be decoded, and a silent stretch, are left out, which is said. One that
    is shorter than `samples` is repeated.

    Raises:
        DataError: nothing is left, or a file is not the one that was listed.
    """
    wanted = list(itertools.islice(_cut(divide(recordings, part), samples / sample_rate), most))
    pool: SubprocessPool[Stretch, NDArray[np.float32] | str] = SubprocessPool(
        StretchReader(sample_rate)
    )
    found: list[NDArray[np.float32]] = []
    left_out: dict[str, str] = {}
    try:
        for stretch, answer in zip(wanted, pool.map(wanted), strict=True):
            if isinstance(answer, np.ndarray):
                found.append(_fill(answer, samples))
            else:
                why = answer.detail if isinstance(answer, Failure) else answer
                left_out.setdefault(stretch.name, why)
    finally:
        pool.close()
    if left_out:
        some = [f"{name} ({why})" for name, why in sorted(left_out.items())[:_NAMED]]
        more = f" and {len(left_out) - _NAMED} more" if len(left_out) > _NAMED else ""
        if not found:
            raise DataError(f"augment.noise.recordings: nothing can be heard in {some[0]}{more}")
        report_news(f"noise left out: {', '.join(some)}{more}")
    return np.stack(found)


def divide(recordings: Sequence[BackgroundRecording], part: Part) -> list[Stretch]:
    """What of the recordings belongs to a part: whole files where there are enough, else the
    beginning, the middle or the end of each.
    """
    by_content = {each.sha256 or each.path: each for each in recordings}
    ordered = [by_content[key] for key in sorted(by_content)]
    if len(ordered) >= len(_TURNS):
        turns = zip(ordered, itertools.cycle(_TURNS), strict=False)
        return [_stretch(each, 0.0, 1.0) for each, whose in turns if whose == part]
    return [_stretch(each, *_SHARES[part]) for each in ordered]


class StretchReader:
    """Decodes a stretch; runs in a child process."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate

    def __call__(self, stretch: Stretch) -> NDArray[np.float32] | str:
        """Its samples, float32 [samples]; or why there are none.

        Raises:
            AuricleError: the file is not the one that was listed.
        """
        try:
            recording = Recording(stretch.path, stretch.sha256)
            decoded = recording.decode(self._sample_rate, stretch.start_s, stretch.length_s)
        except ClipError as error:
            return str(error)
        waveform = np.nan_to_num(decoded.waveform)
        return waveform if np.abs(waveform).max(initial=0.0) >= _SILENCE else "silent"


def _stretch(recording: BackgroundRecording, first: float, last: float) -> Stretch:
    length_s = min(recording.length_s, LONGEST_S)
    start_s, end_s = first * length_s, last * length_s
    return Stretch(recording.name, recording.path, recording.sha256, start_s, end_s - start_s)


def _cut(spans: list[Stretch], length_s: float) -> Iterator[Stretch]:
    """Stretches of a length, one of each recording in turn."""
    own = [
        [
            span._replace(start_s=span.start_s + number * length_s, length_s=length_s)
            for number in range(int(span.length_s / length_s))
        ]
        or [span]
        for span in spans
    ]
    for turn in itertools.zip_longest(*own):
        yield from (stretch for stretch in turn if stretch is not None)


def _fill(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """As many samples, from the beginning again where there are fewer."""
    return np.tile(waveform, -(-samples // len(waveform)))[:samples]
