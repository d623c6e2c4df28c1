"""Picks the clips that the report shows: some of each class, and those the model likes least."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.evaluation.scores import ClipScores, lowest
from components.examples import read_files, read_record
from components.storage.location import Location
from schemas.example import FeatureValue, decode_example

# Looked through for examples of each class; the report of a large data set must not read all of it.
_CLIPS_LOOKED_THROUGH = 5_000

TargetOf = Callable[[Mapping[str, FeatureValue]], str]  # of a decoded example


@dataclass(frozen=True)
class Clip:
    """One stored utterance; `waveform` is int16 [samples] at the workflow's rate."""

    id: str
    uri: str
    target: str
    speaker: str
    waveform: NDArray[np.int16]


@dataclass(frozen=True)
class ScoredClip:
    """A clip and what the model answered, with its confidence in the answer, and how near that came
    to the truth.
    """

    clip: Clip
    answer: str
    confidence: float
    merit: float
    is_right: bool


def sample_clips(
    files: Iterable[Path | Location], labels: list[str], count: int, target_of: TargetOf
) -> dict[str, list[Clip]]:
    """Up to `count` clips of each label, of different speakers where there are enough."""
    found: dict[str, list[Clip]] = {label: [] for label in labels}
    spare: dict[str, list[Clip]] = {label: [] for label in labels}
    for record in itertools.islice(read_files(files), _CLIPS_LOOKED_THROUGH):
        example = decode_example(record)
        clip = _clip(example, target_of(example))
        if clip.target not in found or len(found[clip.target]) >= count:
            continue
        is_heard = clip.speaker and any(c.speaker == clip.speaker for c in found[clip.target])
        chosen = spare if is_heard else found
        if len(chosen[clip.target]) < count:
            chosen[clip.target].append(clip)
        if all(len(clips) >= count for clips in found.values()):
            break
    return {label: (found[label] + spare[label])[:count] for label in labels}


def sample_any(files: Iterable[Path | Location], count: int, target_of: TargetOf) -> list[Clip]:
    """The first `count` clips, for tasks whose targets form no groups."""
    examples = map(decode_example, itertools.islice(read_files(files), count))
    return [_clip(example, target_of(example)) for example in examples]


def worst_places(scores: ClipScores, count: int) -> list[int]:
    """The `count` clips whose answer came least near the truth, worst first."""
    worst: list[int] = lowest(scores.candidate.merit, count).tolist()
    return worst


def named_places(scores: ClipScores, ids: list[str]) -> list[int]:
    """The clips of these ids, in the order in which they are stored."""
    wanted = set(ids)
    return [place for place, id_ in enumerate(scores.ids) if id_ in wanted] if wanted else []


def read_clips(
    files: Sequence[Path | Location],
    scores: ClipScores,
    places: Iterable[int],
    record_places: Mapping[int, tuple[int, int]] | None = None,
) -> dict[int, ScoredClip]:
    """The clips at `places` of the split with what was answered.

    `scores` are of the clips of `files`, in their order. `record_places` says in which file the
    record of each begins, and at which byte; without it all records before the last are read.
    """
    model, wanted = scores.candidate, set(places)
    records: Iterable[tuple[int, bytes]]
    if record_places:
        records = (
            (place, read_record(files[file], offset))
            for place, (file, offset) in record_places.items()
            if place in wanted
        )
    else:
        last = max(wanted, default=-1) + 1
        records = enumerate(itertools.islice(read_files(files), last))
    return {
        place: ScoredClip(
            _clip(decode_example(record), str(scores.targets[place])),
            str(model.answers[place]),
            _finite(model.confidence[place]),
            float(model.merit[place]),
            bool(model.is_right[place]),
        )
        for place, record in records
        if place in wanted
    }


def _clip(values: Mapping[str, FeatureValue], target: str) -> Clip:
    audio = values["audio"]
    assert isinstance(audio, bytes)
    return Clip(
        id=str(values["id"]),
        uri=str(values["uri"]),
        target=target,
        speaker=str(values["speaker"]),
        waveform=np.frombuffer(audio, "<i2"),
    )


def _finite(score: float) -> float:
    return float(score) if math.isfinite(score) else 0.0
