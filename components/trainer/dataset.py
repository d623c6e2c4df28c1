"""Batches of clips for training and evaluation, from the TFRecords that ingest wrote.

The order of a training epoch depends on the seed and on the epoch's number alone, so a training
that was killed continues with the very batches it would have seen. Sets that fit in memory are read
once; larger ones are streamed.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.audio.pcm16 import FULL_SCALE
from schemas.errors import DataError
from schemas.reports.model_card import TrainingData

CACHE_BYTES = 1 << 30  # sets up to this size are held in memory, as 16-bit samples
_READ_CLIPS = 256
_SHUFFLE_CLIPS = 8192  # of a streamed set, in memory at a time: 260 MB of 1 s clips at 16 kHz


def count_labels(files: Sequence[str]) -> dict[str, int]:
    """Clips of each label in TFRecord `files`, in the order of the label's name.

    Raises:
        DataError: there is no clip.
    """
    counts: Counter[str] = Counter()
    features = {"label": tf.io.FixedLenFeature([], tf.string)}
    for records in tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS):
        labels = tf.io.parse_example(records, features)["label"]
        counts.update(label.decode() for label in labels.numpy())
    if not counts:
        raise DataError(f"no clips to learn from in {len(files)} example files")
    return dict(sorted(counts.items()))


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


def read_labels(files: Sequence[str]) -> list[str]:
    """The distinct labels in TFRecord `files`, sorted: the classes of the model.

    Raises:
        DataError: there is no clip.
    """
    return list(count_labels(files))


def make_train_dataset(
    files: Sequence[str],
    labels: Sequence[str],
    clip_samples: int,
    batch_size: int,
    seed: int,
    start_epoch: int = 0,
    cache_bytes: int = CACHE_BYTES,
) -> tf.data.Dataset:
    """Endless shuffled epochs from `start_epoch` on: (waveform, class) batches.

    waveform float32 [batch, clip_samples] in [-1, 1], class int64 [batch]. Every epoch is one pass:
    its last batch may be smaller. Sets of more than `cache_bytes` are streamed, shuffled by file
    and within a window.

    Raises:
        DataError: there is no clip.
    """
    epochs = tf.data.Dataset.range(start_epoch, sys.maxsize)
    if _total_bytes(files) <= cache_bytes:
        pcm, classes = _load(files, labels, clip_samples)

        def epoch_clips(epoch: tf.Tensor) -> tf.data.Dataset:
            order = _shuffle(tf.range(len(pcm)), seed, epoch)
            return tf.data.Dataset.from_tensor_slices(order).batch(batch_size)

        batches = epochs.flat_map(epoch_clips).map(
            lambda clips: (_to_waveform(tf.gather(pcm, clips)), tf.gather(classes, clips))
        )
    else:

        def epoch_records(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.data.Dataset.from_tensor_slices(_shuffle(list(files), seed, epoch))
            records = order.interleave(
                tf.data.TFRecordDataset,
                cycle_length=8,
                block_length=16,
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            # Dataset.shuffle would also depend on the global seed.
            windows = records.batch(_SHUFFLE_CLIPS).enumerate()
            shuffled = windows.map(lambda number, window: _shuffle(window, seed, epoch, number))
            return shuffled.unbatch().batch(batch_size)

        batches = epochs.flat_map(epoch_records).map(
            _Parser(labels, clip_samples), num_parallel_calls=tf.data.AUTOTUNE
        )
    return _in_order(batches)


def make_eval_dataset(
    files: Sequence[str],
    labels: Sequence[str],
    clip_samples: int,
    batch_size: int,
    cache_bytes: int = CACHE_BYTES,
) -> tf.data.Dataset:
    """One pass in the order of `files`: (waveform, class) batches as in training.

    Raises:
        DataError: there is no clip, or one has a label that is not in `labels`.
    """
    if unknown := sorted(count_labels(files).keys() - set(labels)):
        raise DataError(f"labels that training never sees: {', '.join(unknown)}")
    if _total_bytes(files) > cache_bytes:
        records = tf.data.TFRecordDataset(list(files)).batch(batch_size)
        return _in_order(records.map(_Parser(labels, clip_samples)))
    clips = tf.data.Dataset.from_tensor_slices(_load(files, labels, clip_samples))
    return _in_order(clips.batch(batch_size).map(lambda pcm, class_: (_to_waveform(pcm), class_)))


class _Parser:
    """Serialized tf.Examples [batch] -> (waveform float32 [batch, clip_samples], class [batch])."""

    def __init__(self, labels: Sequence[str], clip_samples: int) -> None:
        self._clip_samples = clip_samples
        self._classes = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(labels)), tf.range(len(labels), dtype=tf.int64)
            ),
            default_value=-1,
        )

    def parse(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """PCM int16 [batch, clip_samples] and class int64 [batch]."""
        features = tf.io.parse_example(
            records,
            {
                "audio": tf.io.FixedLenFeature([], tf.string),
                "label": tf.io.FixedLenFeature([], tf.string),
            },
        )
        pcm = tf.io.decode_raw(features["audio"], tf.int16, little_endian=True)
        return tf.ensure_shape(pcm, [None, self._clip_samples]), self._classes.lookup(
            features["label"]
        )

    def __call__(self, records: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pcm, class_ = self.parse(records)
        return _to_waveform(pcm), class_


def _load(
    files: Sequence[str], labels: Sequence[str], clip_samples: int
) -> tuple[tf.Tensor, tf.Tensor]:
    parser = _Parser(labels, clip_samples)
    batches = [
        (pcm.numpy(), class_.numpy())
        for pcm, class_ in tf.data.TFRecordDataset(list(files)).batch(_READ_CLIPS).map(parser.parse)
    ]
    if not batches:
        raise DataError(f"no clips to learn from in {len(files)} example files")
    pcm, classes = (np.concatenate(part) for part in zip(*batches, strict=True))
    with tf.device("CPU"):  # the clips stay in main memory where there is a GPU
        return tf.constant(pcm), tf.constant(classes)


def _shuffle(
    items: tf.Tensor | list[str], seed: int, epoch: tf.Tensor, window: tf.Tensor | int = 0
) -> tf.Tensor:
    of_epoch = tf.random.experimental.stateless_fold_in([seed, 0], epoch)
    of_window = tf.random.experimental.stateless_fold_in(of_epoch, window)
    return tf.random.experimental.stateless_shuffle(items, of_window)


def _to_waveform(pcm: tf.Tensor) -> tf.Tensor:
    return tf.cast(pcm, tf.float32) / FULL_SCALE


def _in_order(batches: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The tuner's thread sleeps up to a minute, and the end of training would wait for it to wake.
    options.autotune.enabled = False
    return batches.with_options(options).prefetch(tf.data.AUTOTUNE)


def _total_bytes(files: Sequence[str]) -> int:
    return sum(tf.io.gfile.stat(name).length for name in files)
