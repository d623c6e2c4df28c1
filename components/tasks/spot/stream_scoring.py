"""What the exported model answers while it hears long recordings, a window after the other.

A recording is decoded a few seconds at a time in a child process and never held whole, so ten hours
take no more memory than a minute. A window is conditioned exactly as a clip is.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.audio.condition import condition
from components.audio.pcm16 import to_pcm16
from components.audio.source_file import Recording
from components.saved_model import load_saved_model
from components.subprocess_pool import Failure, Limits, SubprocessPool
from components.tasks.spot.wake_word import Background
from schemas.background import LONGEST_S, BackgroundRecording
from schemas.errors import ClipError, DataError
from schemas.example import encode_audio
from schemas.progress import report_progress
from schemas.reports.model_card import ModelCard
from schemas.utterance import is_keyword
from schemas.workflow.audio import Audio

_ASKED_BYTES = 1 << 20  # of windows at a time
_LIMITS = Limits(cpu_s=600)  # after a crash, an MP3 is decoded again up to where it was
_SOUNDLESS = ("silent", "too_short")

Score = Callable[[list[bytes]], NDArray[np.float32]]


@dataclass(frozen=True)
class WindowRequest:
    """The next windows of a recording, from number `first` on."""

    path: str
    sha256: str
    first: int
    windows: int


@dataclass(frozen=True)
class WindowBatch:
    """`clips` are windows as PCM, empty for a silent one; `length_s` is decoded up to now."""

    clips: list[bytes]
    length_s: float


class WindowReader:
    """Cuts recordings into windows of a clip, half a clip apart; runs in a child process.

    Keeps the recording open where it is: one request follows the other.
    """

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._clip = round(audio.clip_s * audio.sample_rate)
        self._step = step_samples(audio)
        self._recording: Recording | None = None
        self._windows: Iterator[np.ndarray] = iter(())
        self._next: tuple[str, int] | None = None
        self._samples = 0
        self._failed: tuple[str, str] | None = None

    def __call__(self, request: WindowRequest) -> WindowBatch | str:
        """The windows, fewer or none at the end; or why the recording cannot be heard.

        Raises:
            AuricleError: the file is not the one that was listed.
        """
        if self._failed is not None and self._failed[0] == request.path:
            return self._failed[1]
        try:
            if self._next != (request.path, request.first):
                self._begin(request)
            clips = [
                self._conditioned(window)
                for window in itertools.islice(self._windows, request.windows)
            ]
        except ClipError as error:
            self._next, self._failed = None, (request.path, str(error))
            return str(error)
        self._next = request.path, request.first + request.windows
        return WindowBatch(clips, self._samples / self._audio.sample_rate)

    def close(self) -> None:
        """Lets go of the recording."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None

    def _begin(self, request: WindowRequest) -> None:
        self.close()
        self._recording = Recording(request.path, request.sha256)
        self._samples = request.first * self._step
        rate = self._audio.sample_rate
        self._windows = self._cut(self._recording.stream(rate, self._samples / rate))

    def _cut(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Whole windows; of a recording shorter than a clip, what there is."""
        is_short = not self._samples
        rest = np.empty(0, np.float32)
        for block in blocks:
            self._samples += len(block)
            rest = np.concatenate([rest, block])
            while len(rest) >= self._clip:
                is_short = False
                yield rest[: self._clip]
                rest = rest[self._step :]
        if is_short and len(rest):
            yield rest

    def _conditioned(self, window: np.ndarray) -> bytes:
        try:
            return to_pcm16(condition(window, self._audio))
        except ClipError as error:
            if error.reason in _SOUNDLESS:
                return b""
            raise


def step_samples(audio: Audio) -> int:
    """From the start of a window to the next."""
    return max(1, round(audio.clip_s * audio.sample_rate) // 2)


def score_recordings(
    recordings: list[BackgroundRecording], saved_model: Path, card: ModelCard
) -> Background:
    """What the SavedModel, whose card is `card`, answers on all windows of `recordings`.

    A recording that cannot be decoded to its end is left out, and so is a copy of another.

    Raises:
        DataError: no recording can be heard.
        AuricleError: a file is not the one that was listed.
    """
    audio = card.audio
    listening = _Listening(recordings, audio, _keyword_score(saved_model, card.labels))
    pool: SubprocessPool[WindowRequest, WindowBatch | str] = SubprocessPool(
        WindowReader(audio), limits=_LIMITS
    )
    try:
        for answer in pool.map(listening.window_requests()):
            listening.take(answer)
    finally:
        pool.close()
    return listening.background()


class _Listening:
    """Recordings on their way to a table of windows."""

    def __init__(self, recordings: list[BackgroundRecording], audio: Audio, score: Score) -> None:
        self._recordings = recordings
        self._audio = audio
        self._score = score
        self._asked: deque[int] = deque()
        self._scores: list[list[NDArray[np.float32]]] = [[] for _ in recordings]
        self._lengths_s = [0.0] * len(recordings)
        self._left_out: dict[int, str] = {}

    def window_requests(self) -> Iterator[WindowRequest]:
        """Asks for all windows that the headers promise; a recording that failed is given up."""
        clip_bytes = 2 * round(self._audio.clip_s * self._audio.sample_rate)
        windows = max(1, _ASKED_BYTES // clip_bytes)
        step_s = step_samples(self._audio) / self._audio.sample_rate
        names: dict[str, str] = {}
        for number, recording in enumerate(self._recordings):
            same = names.setdefault(recording.sha256 or recording.path, recording.name)
            if same != recording.name:
                self._left_out[number] = f"the same content as {same}"
            promised = int(min(recording.length_s, LONGEST_S) / step_s) + 1
            for first in range(0, promised, windows):
                if number in self._left_out:
                    break
                self._asked.append(number)
                yield WindowRequest(recording.path, recording.sha256, first, windows)

    def take(self, answer: WindowBatch | str | Failure) -> None:
        """Scores what was heard; answers come in the order of the window_requests."""
        number = self._asked.popleft()
        if isinstance(answer, WindowBatch):
            self._lengths_s[number] = answer.length_s
            self._scores[number].append(self._score_clips(answer.clips))
            done_s, all_s = sum(self._lengths_s), sum(r.length_s for r in self._recordings)
            report_progress(round(done_s), round(max(done_s, all_s)), "seconds of background")
        else:
            why = answer.detail if isinstance(answer, Failure) else answer
            self._left_out.setdefault(number, why)

    def background(self) -> Background:
        """All that was heard."""
        for number, length_s in enumerate(self._lengths_s):
            if not length_s:
                self._left_out.setdefault(number, "empty: no samples")
        kept = [n for n in range(len(self._recordings)) if n not in self._left_out]
        left_out = {self._recordings[n].name: why for n, why in sorted(self._left_out.items())}
        if not kept:
            name, why = next(iter(left_out.items()))
            raise DataError(f"data.background: no recording can be used; {name}: {why}")
        scores = [np.concatenate(self._scores[number]) for number in kept]
        windows = [len(each) for each in scores]
        step_s = step_samples(self._audio) / self._audio.sample_rate
        return Background(
            names=np.array([self._recordings[number].name for number in kept], np.str_),
            lengths_s=np.array([self._lengths_s[number] for number in kept]),
            recordings=np.repeat(np.arange(len(kept)), windows),
            start_s=np.concatenate([np.arange(count) * step_s for count in windows]),
            scores=np.concatenate(scores),
            clip_s=self._audio.clip_s,
            left_out=left_out,
        )

    def _score_clips(self, clips: list[bytes]) -> NDArray[np.float32]:
        """A score for each clip: 0 for a silent one."""
        scores = np.zeros(len(clips), np.float32)
        heard = [number for number, clip in enumerate(clips) if clip]
        if heard:
            scores[heard] = self._score([clips[number] for number in heard])
        return scores


def _keyword_score(saved_model: Path, labels: list[str]) -> Score:
    """Conditioned clips as PCM -> the score of the answer, or 0 where it is no keyword."""
    import tensorflow as tf

    model = load_saved_model(saved_model)
    are_keywords = np.array([is_keyword(label) for label in labels])

    def score(clips: list[bytes]) -> NDArray[np.float32]:
        # By way of the model: a signature alone does not keep its variables alive.
        serve = model.signatures["serving_examples"]
        scores = serve(examples=tf.constant([encode_audio(clip) for clip in clips]))[
            "scores"
        ].numpy()
        answers = scores.argmax(axis=1)  # the first NaN, where there is one
        best = scores[np.arange(len(scores)), answers]
        return np.where(are_keywords[answers] | np.isnan(best), best, np.float32(0))

    return score
