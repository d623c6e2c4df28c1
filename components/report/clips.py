"""Picks the clips that the report shows: some of each class, and those the model likes least."""

import heapq
import io
import itertools
import math
import wave
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from schemas.example import decode_example
from schemas.progress import report_progress
from schemas.tfrecord import read_records

BATCH_SIZE = 256
# Looked through for examples of each class; the report of a large data set must not read all of it.
_CLIPS_LOOKED_THROUGH = 5_000

Score = Callable[[list[bytes]], NDArray[np.float32]]


@dataclass(frozen=True)
class Clip:
    """One stored utterance; `waveform` is int16 [samples] at the workflow's rate."""

    id: str
    uri: str
    label: str
    speaker: str
    waveform: NDArray[np.int16]


@dataclass(frozen=True)
class ScoredClip:
    """A clip and what the model answered, with the scores of the answer and of the truth."""

    clip: Clip
    answer: str
    answer_score: float
    true_score: float

    @property
    def is_right(self) -> bool:
        """The highest score is that of the true label."""
        return self.answer == self.clip.label


@dataclass(frozen=True)
class WorstClips:
    """The clips of highest loss, worst first, out of the `scored` first of the test split."""

    clips: list[ScoredClip]
    scored: int


def split_files(split_dir: str | Path) -> list[Path]:
    """The TFRecord files of one split's folder, in order."""
    return sorted(Path(split_dir).glob("*tfrecord*"))


def sample_clips(files: Iterable[Path], labels: list[str], count: int) -> dict[str, list[Clip]]:
    """Up to `count` clips of each label, of different speakers where there are enough."""
    found: dict[str, list[Clip]] = {label: [] for label in labels}
    spare: dict[str, list[Clip]] = {label: [] for label in labels}
    for record in itertools.islice(_records(files), _CLIPS_LOOKED_THROUGH):
        clip = _clip(record)
        if clip.label not in found or len(found[clip.label]) >= count:
            continue
        is_heard = clip.speaker and any(c.speaker == clip.speaker for c in found[clip.label])
        chosen = spare if is_heard else found
        if len(chosen[clip.label]) < count:
            chosen[clip.label].append(clip)
        if all(len(clips) >= count for clips in found.values()):
            break
    return {label: (found[label] + spare[label])[:count] for label in labels}


def worst_clips(
    files: Iterable[Path], score: Score, labels: list[str], count: int, limit: int
) -> WorstClips:
    """The `count` clips with the lowest score of their true label, among the first `limit`.

    `score` takes serialized tf.Examples and gives scores [batch, len(labels)]. A label the model
    does not know scores 0, and so does a score that is not a number.
    """
    ids = {label: class_id for class_id, label in enumerate(labels)}
    heap: list[tuple[float, int, bytes, NDArray[np.float32]]] = []
    scored = 0
    records = itertools.islice(_records(files), limit)
    while batch := list(itertools.islice(records, BATCH_SIZE)):
        for record, scores in zip(batch, score(batch), strict=True):
            class_id = ids.get(str(decode_example(record)["label"]))
            true_score = _finite(scores[class_id]) if class_id is not None else 0.0
            entry = (-true_score, -scored, record, scores)
            scored += 1
            if len(heap) < count:
                heapq.heappush(heap, entry)
            else:
                heapq.heappushpop(heap, entry)
        report_progress(scored, scored, "clips scored")
    worst = sorted(heap, key=lambda entry: (-entry[0], -entry[1]))
    return WorstClips([_scored(record, scores, labels) for _, _, record, scores in worst], scored)


def wav_file(waveform: NDArray[np.int16], sample_rate: int) -> bytes:
    """A mono 16-bit WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(waveform.astype("<i2").tobytes())
    return buffer.getvalue()


def _records(files: Iterable[Path]) -> Iterator[bytes]:
    return itertools.chain.from_iterable(map(read_records, files))


def _clip(record: bytes) -> Clip:
    values = decode_example(record)
    audio = values["audio"]
    assert isinstance(audio, bytes)
    return Clip(
        id=str(values["id"]),
        uri=str(values["uri"]),
        label=str(values["label"]),
        speaker=str(values["speaker"]),
        waveform=np.frombuffer(audio, "<i2"),
    )


def _scored(record: bytes, scores: NDArray[np.float32], labels: list[str]) -> ScoredClip:
    clip = _clip(record)
    answer = int(np.argmax(scores))
    true_score = _finite(scores[labels.index(clip.label)]) if clip.label in labels else 0.0
    return ScoredClip(clip, labels[answer], _finite(scores[answer]), true_score)


def _finite(score: float) -> float:
    return float(score) if math.isfinite(score) else 0.0
