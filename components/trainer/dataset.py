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
from schemas.errors import DataError
from schemas.reports.model_card import TrainingData

CACHE_BYTES = 1 << 30  # sets up to this size are held in memory, as 16-bit samples
_READ_CLIPS = 256
_DTYPES = {"bytes": tf.string, "float": tf.float32, "int64": tf.int64}
_SHUFFLE_CLIPS = 8192  # of a streamed set, in memory at a time: 260 MB of 1 s clips at 16 kHz


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
        """From TFRecord `files`.

        Raises:
            DataError: there is no clip.
        """
        clips = 0

        def batches() -> Iterator[dict[str, NDArray[np.generic]]]:
            nonlocal clips
            spec = _target_spec(task)
            for records in tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS):
                clips += len(records)
                features = tf.io.parse_example(records, spec)
                yield {name: values.numpy() for name, values in features.items()}

        stream = batches()
        labels = feeding.model(task).vocabulary(stream)
        for _ in stream:  # what a task without a vocabulary has not asked for
            pass
        if not clips:
            raise DataError(f"no clips to learn from in {len(files)} example files")
        return cls(task, labels, clips)


def describe_data(files: Sequence[str]) -> TrainingData:
    """How many clips, speakers and clips of each licence are in TFRecord `files`."""
    clips, speakers, licences = 0, set[str](), Counter[str]()
    text = tf.io.FixedLenFeature([], tf.string, default_value="")
    for records in tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS):
        values = tf.io.parse_example(records, {"speaker": text, "metadata": text})
        clips += len(records)
        speakers.update(name.decode() for name in values["speaker"].numpy() if name)
        for metadata in values["metadata"].numpy():
            found = json.loads(metadata or b"{}")
            if licence := found.get("license", found.get("licence")):
                licences[str(licence)] += 1
    return TrainingData(
        clips=clips, speakers=len(speakers), licences=dict(sorted(licences.items()))
    )


@_as_it_stands
def make_train_dataset(
    files: Sequence[str],
    learned: Learned,
    clip_samples: int | None,
    batch_size: int,
    seed: int,
    start_epoch: int = 0,
    cache_bytes: int = CACHE_BYTES,
) -> tf.data.Dataset:
    """Endless shuffled epochs from `start_epoch` on: (waveform, target) batches.

    waveform float32 [batch, clip_samples] in [-1, 1], target [batch] as the task encodes it. Every
    epoch is one pass: its last batch may be smaller. Sets of more than `cache_bytes` are streamed,
    shuffled by file and within a window.

    Where `clip_samples` is None clips have lengths of their own: ((waveform, lengths), target),
    with waveform [batch, samples of the longest], zero beyond lengths int32 [batch]. Any batch of
    an epoch may be the smaller one.

    Raises:
        DataError: there is no clip.
    """
    epochs = tf.data.Dataset.range(start_epoch, sys.maxsize)
    if _total_bytes(files) <= cache_bytes:
        pcm, targets = _load(files, learned, clip_samples)
        sizes = pcm.row_lengths() if clip_samples is None else None
        batches = epochs.flat_map(
            lambda epoch: _number_batches(len(targets), sizes, batch_size, seed, epoch)
        ).map(lambda clips: (_to_inputs(tf.gather(pcm, clips)), tf.gather(targets, clips)))
    else:
        like_length = clip_samples is None
        batches = epochs.flat_map(
            lambda epoch: _record_batches(files, like_length, batch_size, seed, epoch)
        ).map(_Parser(learned, clip_samples), num_parallel_calls=tf.data.AUTOTUNE)
    return _in_order(batches)


def _number_batches(
    clips: int, sizes: tf.Tensor | None, batch_size: int, seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """One epoch of the numbers of all clips, by like `sizes` [clips] where these are given."""
    order = tf.data.Dataset.from_tensor_slices(shuffle(tf.range(clips), seed, epoch))
    if sizes is None:
        return order.batch(batch_size)
    windows = order.batch(window_clips(batch_size)).enumerate()
    return windows.flat_map(
        lambda number, window: batches_of_like_length(
            window, tf.gather(sizes, window), batch_size, seed, epoch, number
        )
    )


def _record_batches(
    files: Sequence[str], like_length: bool, batch_size: int, seed: int, epoch: tf.Tensor
) -> tf.data.Dataset:
    """One epoch of the serialized examples of `files`, read as it goes."""
    order = tf.data.Dataset.from_tensor_slices(shuffle(list(files), seed, epoch))
    records = order.interleave(
        tf.data.TFRecordDataset,
        cycle_length=8,
        block_length=16,
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    # Dataset.shuffle would also depend on the global seed.
    if not like_length:
        windows = records.batch(_SHUFFLE_CLIPS).enumerate()
        shuffled = windows.map(lambda number, window: shuffle(window, seed, epoch, number))
        return shuffled.unbatch().batch(batch_size)

    def batches(number: tf.Tensor, window: tf.Tensor) -> tf.data.Dataset:
        clips = shuffle(window, seed, epoch, number)
        sizes = tf.strings.length(clips)
        return batches_of_like_length(clips, sizes, batch_size, seed, epoch, number)

    return records.batch(window_clips(batch_size)).enumerate().flat_map(batches)


@_as_it_stands
def make_eval_dataset(
    files: Sequence[str],
    learned: Learned,
    clip_samples: int | None,
    batch_size: int,
    cache_bytes: int = CACHE_BYTES,
) -> tf.data.Dataset:
    """One pass in the order of `files`: (waveform, target) batches as in training.

    Where `clip_samples` is None, ((waveform, lengths), target).

    Raises:
        DataError: there is no clip, or one has a label that is not in `labels`.
    """
    found = Learned.read(files, learned.task)
    if unknown := sorted(set(found.labels) - set(learned.labels)):
        raise DataError(f"labels that training never sees: {', '.join(unknown)}")
    if _total_bytes(files) > cache_bytes:
        records = tf.data.TFRecordDataset(list(files)).batch(batch_size)
        return _in_order(records.map(_Parser(learned, clip_samples)))
    clips = tf.data.Dataset.from_tensor_slices(_load(files, learned, clip_samples))
    return _in_order(clips.batch(batch_size).map(lambda pcm, target: (_to_inputs(pcm), target)))


class _Parser:
    """Serialized tf.Examples [batch] -> (what the model takes of them, target [batch])."""

    def __init__(self, learned: Learned, clip_samples: int | None) -> None:
        self._clip_samples = clip_samples
        self._spec = _target_spec(learned.task)
        self._encode = feeding.model(learned.task).encode_batch(learned.labels)

    def parse(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """PCM int16 [batch, clip_samples], ragged where that is None, and target [batch]."""
        features = tf.io.parse_example(
            records, {"audio": tf.io.FixedLenFeature([], tf.string), **self._spec}
        )
        audio, target = features["audio"], self._encode(features)
        if self._clip_samples is None:
            return decode_ragged(audio), target
        pcm = tf.io.decode_raw(audio, tf.int16, little_endian=True)
        return tf.ensure_shape(pcm, [None, self._clip_samples]), target

    def __call__(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pcm, target = self.parse(records)
        return _to_inputs(pcm), target


def _target_spec(task: str) -> dict[str, tf.io.FixedLenFeature]:
    """How the features of a task's target are parsed."""
    kinds = feeding.features(task).FEATURES
    return {name: tf.io.FixedLenFeature([], _DTYPES[kind]) for name, kind in kinds.items()}


def _load(
    files: Sequence[str], learned: Learned, clip_samples: int | None
) -> tuple[tf.Tensor, tf.Tensor]:
    parser = _Parser(learned, clip_samples)
    batches = list(tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS).map(parser.parse))
    if not batches:
        raise DataError(f"no clips to learn from in {len(files)} example files")
    with tf.device("CPU"):  # the clips stay in main memory where there is a GPU
        pcm, targets = (tf.concat(part, axis=0) for part in zip(*batches, strict=True))
    return pcm, targets


def _to_inputs(pcm: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """What the model takes: a waveform, and the lengths besides where clips differ in length."""
    if isinstance(pcm, tf.RaggedTensor):
        return pad_waveforms(pcm)
    return to_waveform(pcm)


def _in_order(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The tuner's thread sleeps up to a minute, and the end of training would wait for it to wake.
    options.autotune.enabled = False
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


def _total_bytes(files: Sequence[str]) -> int:
    return sum(tf.io.gfile.stat(name).length for name in files)
