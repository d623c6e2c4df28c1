"""Asks the published model about a part of the rows: Beam's model handler for such models.

Beam's own handler for TensorFlow loads Keras models and stacks tensors of one shape; a published
model is a SavedModel whose signature takes a padded batch and the length of each clip in it. An
element is a part, not a clip: child processes decode its clips, which never travel through Beam.
"""

import os
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler

from components.inference.asking import MOST_SAMPLES_AT_ONCE, AskedModel, longest_s, most_at_once
from components.inference.clip_reader import ClipReader
from components.inference.rows import ClipRow, Part, read_part
from components.saved_model import load_saved_model
from components.storage.location import location_of
from components.subprocess_pool import Failure, SubprocessPool
from components.tasks.feeding import Answer
from components.versions.manifest import verify
from schemas.errors import ClipError
from schemas.reports.model_card import ModelCard

_BUCKET_GROWS = 1.25  # lengths in one batch differ by no more, so that little is padding
_MOST_HELD_SAMPLES = 1 << 24  # of clips that wait for others of their length: 64 MiB
_BATCHES_AHEAD = 2

Outcome = list[Answer] | ClipError
Pool = SubprocessPool[ClipRow, bytes | ClipError]


@dataclass(frozen=True)
class AnsweredPart:
    """What became of each row of a part, in their order."""

    part: Part
    rows: list[ClipRow]
    outcomes: list[Outcome]


class PublishedModel(ModelHandler[Part, AnsweredPart, "LoadedModel"]):
    """Loads the version in the folder `model`, of any storage, once a process, and verifies it.

    `rows` is the file that parts are places in, `processes` how many decode.
    """

    def __init__(self, model: str, card: ModelCard, rows: str, processes: int) -> None:
        super().__init__(max_batch_size=1, min_batch_size=1)
        self._model = model
        self._card = card
        self._rows = rows
        self._processes = processes

    def load_model(self) -> "LoadedModel":
        """The model and the processes that decode for it.

        Raises:
            VersionError: the version is not what was published.
        """
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # has to come before the import
        with location_of(self._model).local_copy() as folder:
            verify(folder)
            return LoadedModel(AskedModel(load_saved_model(folder), self._card), self._processes)

    def run_inference(
        self,
        batch: Sequence[Part],
        model: "LoadedModel",
        inference_args: dict[str, Any] | None = None,
    ) -> Iterable[AnsweredPart]:
        """What the model answers to the rows of each part."""
        for part in batch:
            rows = read_part(self._rows, part)
            yield AnsweredPart(part, rows, model.answer(rows))

    def get_metrics_namespace(self) -> str:
        """Of what Beam counts."""
        return "inference"


class LoadedModel:
    """A model, and the child processes that decode for it, which end when it is let go."""

    def __init__(self, asked: AskedModel, processes: int) -> None:
        card = asked.card
        reader = ClipReader(card.audio, not card.conditions, longest_s(card))
        self._pool: Pool = SubprocessPool(reader, processes)
        self._asked = asked
        self._top = max(1, len(card.labels))
        weakref.finalize(self, self._pool.close)

    def answer(self, rows: Sequence[ClipRow]) -> list[Outcome]:
        """Every answer to each row, the best first; or why there is none."""
        outcomes: dict[int, Outcome] = {}
        asked: list[tuple[list[int], Future[list[Outcome]]]] = []
        with ThreadPoolExecutor(1) as thread:  # asks while this one collects the next clips
            for numbers, clips in self._batches(rows, outcomes):
                asked.append((numbers, thread.submit(self._asked.answer, clips, self._top)))
                if len(asked) > _BATCHES_AHEAD:
                    _take(asked.pop(0), outcomes)
            while asked:
                _take(asked.pop(0), outcomes)
        return [outcomes[number] for number in range(len(rows))]

    def _batches(
        self, rows: Sequence[ClipRow], outcomes: dict[int, Outcome]
    ) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Clips of like lengths with their numbers among the rows; `outcomes` gets the others."""
        waiting = Waiting(most_at_once(self._asked.card))
        for number, read in enumerate(self._pool.map(rows)):
            if isinstance(read, Failure):
                outcomes[number] = ClipError("unreadable", read.detail)
            elif isinstance(read, ClipError):
                outcomes[number] = read
            else:
                yield from waiting.add(number, np.frombuffer(read, np.float32))
        yield from waiting.rest()


class Waiting:
    """Clips by their length, until there are enough for a batch."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._buckets: dict[int, list[tuple[int, np.ndarray]]] = defaultdict(list)
        self._held = 0

    def add(self, number: int, clip: np.ndarray) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """The batches that are full with `clip`; most times none."""
        bucket = int(np.log(max(1, len(clip))) / np.log(_BUCKET_GROWS))
        self._buckets[bucket].append((number, clip))
        self._held += len(clip)
        found = self._buckets[bucket]
        longest = max(len(clip) for _, clip in found)
        if len(found) == self._at_once or (len(found) + 1) * longest > MOST_SAMPLES_AT_ONCE:
            yield self._pop(bucket)
        while self._held > _MOST_HELD_SAMPLES:
            yield self._pop(max(self._buckets, key=self._samples_in))

    def rest(self) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """What is left, the shortest first: the last batch of one length takes those of others."""
        left = [item for bucket in self._buckets.values() for item in bucket]
        left.sort(key=lambda item: (len(item[1]), item[0]))
        batch: list[tuple[int, np.ndarray]] = []
        for item in left:
            if len(batch) == self._at_once or (
                batch and (len(batch) + 1) * len(item[1]) > MOST_SAMPLES_AT_ONCE
            ):
                yield _numbered(batch)
                batch = []
            batch.append(item)
        if batch:
            yield _numbered(batch)

    def _samples_in(self, bucket: int) -> int:
        return sum(len(clip) for _, clip in self._buckets[bucket])

    def _pop(self, bucket: int) -> tuple[list[int], list[np.ndarray]]:
        found = self._buckets.pop(bucket)
        self._held -= sum(len(clip) for _, clip in found)
        return _numbered(found)


def _numbered(items: list[tuple[int, np.ndarray]]) -> tuple[list[int], list[np.ndarray]]:
    return [number for number, _ in items], [clip for _, clip in items]


def _take(asked: tuple[list[int], "Future[list[Outcome]]"], outcomes: dict[int, Outcome]) -> None:
    numbers, future = asked
    outcomes.update(zip(numbers, future.result(), strict=True))
