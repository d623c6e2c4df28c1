"""TFRecords of tones: small enough to train on in a test, and anybody can tell them apart."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

RATE, CLIP_SAMPLES = 8000, 2400
LABELS = ("high", "low", "mid")
HERTZ = {"deep": 120.0, "high": 2500.0, "low": 300.0, "mid": 900.0}


def _example(pcm: np.ndarray, label: str) -> bytes:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in (("audio", pcm.astype("<i2").tobytes()), ("label", label.encode()))
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


@pytest.fixture(scope="session")
def write_tones(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """`write_tones(clips, files, seed)` -> names of TFRecord files; a clip's first sample is its
    number, so that tests can tell in which order clips come. Clips have `CLIP_SAMPLES`, or as many
    as `lengths` say in turn."""

    def write(
        clips: int,
        files: int,
        seed: int = 1,
        labels: tuple[str, ...] = LABELS,
        lengths: Sequence[int] = (CLIP_SAMPLES,),
    ):
        rng = np.random.default_rng(seed)
        directory: Path = tmp_path_factory.mktemp("tones")
        names = [str(directory / f"data_tfrecord-{i:05d}-of-{files:05d}") for i in range(files)]
        for i, numbers in enumerate(np.array_split(np.arange(clips), files)):
            with tf.io.TFRecordWriter(names[i]) as writer:
                for number in numbers:
                    label = labels[number % len(labels)]
                    seconds = np.arange(lengths[number % len(lengths)]) / RATE
                    wave = np.sin(2 * np.pi * HERTZ[label] * seconds + rng.uniform(0, 6.3))
                    pcm = np.round(3000 * (wave + rng.normal(0, 1.0, len(seconds))))
                    pcm[0] = number
                    writer.write(_example(pcm, label))
        return names

    return write
