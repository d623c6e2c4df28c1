"""What a training mixes into its clips: generated noise, voices of other clips, and recordings."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.audio.noise_recordings import read_noises
from components.audio.noises import generate_noises
from components.audio.pcm16 import from_pcm16
from components.storage.location import location_of
from schemas.background import BACKGROUND_LIST

_GENERATED, _BABBLES, _RECORDED = 64, 24, 192  # rows of the bank, at most
_VOICES = 4  # talk at once
_CLIPS_READ = 400
_LONGEST_S = 4.0
_PEAK = 0.9
_SMALLEST_LEVEL = 1e-6


def noise_bank(
    files: Sequence[str], clip_samples: int | None, sample_rate: int, seed: int, listed: str = ""
) -> NDArray[np.int16]:
    """Noises, int16 [noises, samples], each twice as long as a clip, or four seconds.

    Voices are those of the TFRecord `files` of the training; `listed` is the URI of a list of
    recordings (`schemas.background`), if there are any. The same arguments give the same noises.

    Raises:
        DataError: none of the recordings can be heard.
    """
    longest = round(_LONGEST_S * sample_rate)
    samples = longest if clip_samples is None else min(2 * clip_samples, longest)
    parts = [
        generate_noises(_GENERATED, samples, sample_rate, seed),
        _babble(files, samples, seed),
    ]
    if listed:
        recordings = BACKGROUND_LIST.validate_json(location_of(listed).read())
        parts.append(read_noises(recordings, "train", samples, sample_rate, _RECORDED))
    noises = np.concatenate(parts)
    peaks = np.abs(noises).max(axis=1, keepdims=True)
    return np.round(noises * (32767 * _PEAK / np.maximum(peaks, 1e-9))).astype(np.int16)


def _babble(files: Sequence[str], samples: int, seed: int) -> NDArray[np.float32]:
    """Some voices at once, each of clips one after another: float32 [babbles, samples]."""
    random = np.random.default_rng([seed, 0x6261])
    spec = {"audio": tf.io.FixedLenFeature([], tf.string)}
    records = tf.data.TFRecordDataset(list(files)).take(_CLIPS_READ).batch(_CLIPS_READ)
    [clips] = [tf.io.parse_example(some, spec)["audio"].numpy().tolist() for some in records]
    voices = [_talk(clips, samples, random) for _ in range(_VOICES) for _ in range(_BABBLES)]
    return np.stack(voices).reshape(_VOICES, _BABBLES, samples).sum(axis=0)


def _talk(clips: Sequence[bytes], samples: int, random: np.random.Generator) -> NDArray[np.float32]:
    """One voice: clips of a level of 1, one after another, from the middle of one on."""
    said: list[NDArray[np.float32]] = []
    skipped = int(random.integers(0, samples))
    while sum(map(len, said)) < skipped + samples:
        clip = from_pcm16(clips[random.integers(len(clips))])
        level = max(float(np.sqrt(np.mean(np.square(clip)))), _SMALLEST_LEVEL)
        said.append(clip / np.float32(level))
    return np.concatenate(said)[skipped : skipped + samples]
