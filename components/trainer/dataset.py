"""Batches of clips for training and evaluation, from the TFRecords that ingest wrote.

The order of a training epoch depends on the seed and on the epoch's number alone, so a training
that was killed continues with the very batches it would have seen. Sets that fit in memory are read
once; larger ones are streamed.

Where a task asks for variable length, a batch is as long as its longest clip and comes with the
length of each. Clips of like length then go into one batch, so that few of its samples are padding.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.tasks import feeding
from components.trainer.buckets import batches_of_like_length, shuffle, window_clips
from components.trainer.padding import decode_ragged, pad_waveforms, to_waveform
from components.trainer.shares import Share, with_end
from schemas.errors import DataError
from schemas.reports.model_card import TrainingData

CACHE_BYTES = 1 << 30  # sets up to this size are held in memory, as 16-bit samples
_READ_CLIPS = 256
_DTYPES = {"bytes": tf.string, "float": tf.float32, "int64": tf.int64}
_SHUFFLE_CLIPS = 8192  # of a streamed set, in memory at a time, where they are no larger than this
_SHUFFLE_BYTES = 1 << 28
_BYTES_PER_SAMPLE = 2


# What tf.data calls is traced as it stands: AutoGraph would first read and rewrite the source of it
# all, which took 0.5 s of a training of 4 s and changed nothing.
_as_it_stands = tf.autograph.experimental.do_not_convert


@dataclass(frozen=True)
class Learned:
    """What a model of a `task` learns of clips: `labels` is its vocabulary."""

    task: str
    labels: list[str]
    clips: int

    @classmethod
    def read(cls, files: Sequence[str], task: str) -> "Learned":
        """From TFRecord `files`, in one pass.

        Raises:
            DataError: there is no clip.
        """
        return read_clips(files, task)[0]


def read_clips(files: Sequence[str], task: str) -> tuple[Learned, TrainingData]:
    """What a model learns of the clips of TFRecord `files`, and what its card says of them.

    One pass, with `_READ_CLIPS` of them in memory at a time.

    Raises:
        DataError: there is no clip.
    """
    clips, speakers, licences = 0, set[str](), Counter[str]()
    text = tf.io.FixedLenFeature([], tf.string, default_value="")
    spec = {"speaker": text, "metadata": text, **_target_spec(task)}

    def batches() -> Iterator[dict[str, NDArray[np.generic]]]:
        nonlocal clips
        for records in tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS):
            features = {
                name: values.numpy() for name, values in tf.io.parse_example(records, spec).items()
            }
            clips += len(records)
            speakers.update(name.decode() for name in features["speaker"] if name)
            licences.update(_licences(features["metadata"]))
            yield features

    stream = batches()
    labels = feeding.model(task).vocabulary(stream)
    for _ in stream:  # what a task without a vocabulary has not asked for
        pass
    if not clips:
        raise DataError(f"no clips to learn from in {len(files)} example files")
    data = TrainingData(
        clips=clips, speakers=len(speakers), licences=dict(sorted(licences.items()))
    )
    return Learned(task, labels, clips), data


def _licences(metadata: NDArray[np.object_]) -> Iterator[str]:
    """That of each clip which has one, as its manifest states it."""
    for each in metadata:
        found = json.loads(each or b"{}")
        if licence := found.get("license", found.get("licence")):
            yield str(licence)


@_as_it_stands
def make_train_dataset(
    files: Sequence[str],
    learned: Learned,
    clip_samples: int | None,
    batch_size: int,
    seed: int,
    start_epoch: int = 0,
    cache_bytes: int = CACHE_BYTES,
    share: Share | None = None,
) -> tf.data.Dataset:
    """Endless shuffled epochs from `start_epoch` on: (waveform, target) batches.

    waveform float32 [batch, clip_samples] in [-1, 1], target [batch] as the task encodes it. Every
    epoch is one pass: its last batch may be smaller. Sets of more than `cache_bytes` are streamed,
    shuffled by file and within a window.

    Where `clip_samples` is None clips have lengths of their own: ((waveform, lengths), target),
    with waveform [batch, samples of the longest], zero beyond lengths int32 [batch]. Any batch of
    an epoch may be the smaller one.

    With a `share` they are what a worker has of each batch, as `components.trainer.together` takes
    it. Of clips in memory the batches are the same for any number of workers; clips that are
    streamed are dealt to workers by file, so that each file is read by one of them.

    Raises:
        DataError: there is no clip.
    """
    epochs = tf.data.Dataset.range(start_epoch, sys.maxsize)
    if _total_bytes(files) <= cache_bytes:
        clips = _Clips.read(files, learned, clip_samples)
        number = tf.data.Dataset.from_tensors([0])

        def numbers(epoch: tf.Tensor) -> tf.data.Dataset:
            found = _number_batches(clips, batch_size, seed, epoch)
            return found if share is None else with_end(found, number)

        take = clips.whole if share is None else share.cut(clips)
        return _in_order(epochs.flat_map(numbers).map(take))
    parser = _Parser(learned, clip_samples)
    own_size = batch_size if share is None else share.own_size(batch_size)
    record = tf.data.TFRecordDataset(list(files)).batch(1)

    def records(epoch: tf.Tensor) -> tf.data.Dataset:
        order = shuffle(list(files), seed, epoch)
        own = order if share is None else share.deal(order)
        found = _record_batches(own, clip_samples, own_size, seed, epoch)
        return found if share is None else with_end(found, record)

    parse = parser if share is None else share.place(parser, batch_size)
    return _in_order(epochs.flat_map(records).map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def _number_batches(
    clips: "_Clips", batch_size: int, seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """One epoch of the numbers of all clips, those of like length together if these differ."""
    count = tf.shape(clips.targets)[0]
    order = tf.data.Dataset.from_tensor_slices(shuffle(tf.range(count), seed, epoch))
    sizes = clips.sizes
    if sizes is None:
        return order.batch(batch_size)
    windows = order.batch(window_clips(batch_size)).enumerate()
    return windows.flat_map(
        lambda number, window: batches_of_like_length(
            window, tf.gather(sizes, window), batch_size, seed, epoch, number
        )
    )


def _record_batches(
    files: tf.Tensor, clip_samples: int | None, batch_size: int, seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """One epoch of the serialized examples of `files` string [files], read as it goes."""
    records = tf.data.Dataset.from_tensor_slices(files).interleave(
        tf.data.TFRecordDataset,
        cycle_length=8,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # Dataset.shuffle would also depend on the global seed.
    if clip_samples is not None:
        windows = records.batch(_window_clips(clip_samples, batch_size)).enumerate()
        shuffled = windows.map(lambda number, window: shuffle(window, seed, epoch, number))
        return shuffled.unbatch().batch(batch_size)

    def batches(number: tf.Tensor, window: tf.Tensor) -> tf.data.Dataset:
        clips = shuffle(window, seed, epoch, number)
        sizes = tf.strings.length(clips)
        return batches_of_like_length(clips, sizes, batch_size, seed, epoch, number)

    return records.batch(window_clips(batch_size)).enumerate().flat_map(batches)


def _window_clips(clip_samples: int, batch_size: int) -> int:
    """How many clips are shuffled together: so many that memory has a bound, and a batch."""
    return max(
        min(_SHUFFLE_CLIPS, _SHUFFLE_BYTES // (_BYTES_PER_SAMPLE * clip_samples)), batch_size
    )


@_as_it_stands
def make_eval_dataset(
    files: Sequence[str],
    learned: Learned,
    clip_samples: int | None,
    batch_size: int,
    cache_bytes: int = CACHE_BYTES,
    share: Share | None = None,
) -> tf.data.Dataset:
    """One pass in the order of `files`: (waveform, target) batches as in training.

    Where `clip_samples` is None, ((waveform, lengths), target). With a `share`, what a worker has
    of each batch, whose clips are the same for any number of workers.

    Raises:
        DataError: there is no clip, or one has a label that is not in `labels`.
    """
    if _total_bytes(files) > cache_bytes:
        found = Learned.read(files, learned.task)
        _refuse_unknown(found.labels, learned)
        records = tf.data.TFRecordDataset(list(files)).batch(batch_size)
        parser = _Parser(learned, clip_samples)
        if share is None:
            # Keras warns of the end of data whose number of batches it does not know.
            count = tf.data.experimental.assert_cardinality(-(-found.clips // batch_size))
            return _in_order(records.map(parser).apply(count))
        return _in_order(with_end(records, records).map(share.cut(parser)))
    clips = _Clips.read(files, learned, clip_samples)
    numbers = tf.data.Dataset.range(len(clips.targets)).batch(batch_size)
    if share is None:
        return _in_order(numbers.map(clips.whole))
    return _in_order(with_end(numbers, numbers).map(share.cut(clips)))


class _Parser:
    """Serialized tf.Examples [batch] -> (what the model takes of them, target [batch])."""

    def __init__(self, learned: Learned, clip_samples: int | None) -> None:
        self._clip_samples = clip_samples
        self._spec = _target_spec(learned.task)
        self._encode = feeding.model(learned.task).encode_batch(learned.labels)

    def parse(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """PCM int16 [batch, clip_samples], ragged where that is None, target [batch], and the
        features that it was made of.
        """
        audio_spec = {"audio": tf.io.FixedLenFeature([], tf.string)}
        features = tf.io.parse_example(records, audio_spec | self._spec)
        audio = features.pop("audio")
        target = self._encode(features)
        if self._clip_samples is None:
            return decode_ragged(audio), target, features
        pcm = tf.io.decode_raw(audio, tf.int16, little_endian=True)
        # Of no clips it does not know how long they are.
        pcm = tf.pad(pcm, [[0, 0], [0, tf.where(tf.size(audio) > 0, 0, self._clip_samples)]])
        return tf.ensure_shape(pcm, [None, self._clip_samples]), target, features

    def __call__(
        self, records: tf.Tensor, batch: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Of some of the records of a `batch`, padded to the longest of its own."""
        pcm, target, _ = self.parse(records)
        return _to_inputs(pcm), target


@dataclass(frozen=True)
class _Clips:
    """Clips in memory: PCM int16 [clips, samples], ragged where they differ in length, and target
    [clips].
    """

    pcm: tf.Tensor | tf.RaggedTensor
    targets: tf.Tensor

    @classmethod
    def read(cls, files: Sequence[str], learned: Learned, clip_samples: int | None) -> "_Clips":
        parser = _Parser(learned, clip_samples)
        batches = list(tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS).map(parser.parse))
        if not batches:
            raise DataError(f"no clips to learn from in {len(files)} example files")
        pcm, targets, features = zip(*batches, strict=True)
        named = ({name: each.numpy() for name, each in batch.items()} for batch in features)
        _refuse_unknown(feeding.model(learned.task).vocabulary(named), learned)
        with tf.device("CPU"):  # the clips stay in main memory where there is a GPU
            return cls(tf.concat(pcm, axis=0), tf.concat(targets, axis=0))

    @property
    def sizes(self) -> tf.Tensor | None:
        """Samples of each clip; None where all have as many."""
        return self.pcm.row_lengths() if isinstance(self.pcm, tf.RaggedTensor) else None

    def whole(self, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Inputs and target of the clips of these numbers."""
        return self(numbers, numbers)

    def __call__(self, numbers: tf.Tensor, batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The same, padded to the longest clip of the `batch` that they are of."""
        sizes = self.sizes
        longest = None if sizes is None else tf.reduce_max(tf.gather(sizes, batch))
        pcm = tf.gather(self.pcm, numbers)
        return _to_inputs(pcm, longest), tf.gather(self.targets, numbers)


def _refuse_unknown(labels: Sequence[str], learned: Learned) -> None:
    if unknown := sorted(set(labels) - set(learned.labels)):
        raise DataError(f"labels that training never sees: {', '.join(unknown)}")


def _target_spec(task: str) -> dict[str, tf.io.FixedLenFeature]:
    """How the features of a task's target are parsed."""
    kinds = feeding.features(task).FEATURES
    return {name: tf.io.FixedLenFeature([], _DTYPES[kind]) for name, kind in kinds.items()}


def _to_inputs(
    pcm: tf.Tensor | tf.RaggedTensor, longest: tf.Tensor | None = None
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """What the model takes: a waveform, and the lengths besides where clips differ in length."""
    if isinstance(pcm, tf.RaggedTensor):
        return pad_waveforms(pcm, longest)
    return to_waveform(pcm)


def _in_order(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The tuner's thread sleeps up to a minute, and the end of training would wait for it to wake.
    options.autotune.enabled = False
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


def _total_bytes(files: Sequence[str]) -> int:
    return sum(tf.io.gfile.stat(name).length for name in files)
