"""Raw clips become in TensorFlow, sample for sample, what ingest makes of them in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from components.audio.condition import condition
from components.audio.limits import MAX_DURATION_S
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.trainer.served_condition import Conditioner
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

RATE = 8000


def ingested(waveform: np.ndarray, audio: Audio, keeps_length: bool) -> np.ndarray | str:
    """float32 [samples] as stored, or the reason why not."""
    longest_s = MAX_DURATION_S if keeps_length else None
    try:
        return from_pcm16(to_pcm16(condition(waveform, audio, longest_s=longest_s)))
    except ClipError as error:
        return error.reason


def raw_clips(count: int, seed: int) -> list[np.ndarray]:
    """Bursts of tone in noise, of 0.1 to 4 s: loud, soft, clipped, with an offset, with silence."""
    rng = np.random.default_rng(seed)
    clips = []
    for number in range(count):
        samples = int(rng.integers(800, 4 * RATE))
        time_s = np.arange(samples) / RATE
        start, end = np.sort(rng.uniform(0, time_s[-1], 2))
        burst = np.sin(2 * np.pi * rng.uniform(100, 3000) * time_s) * (time_s > start)
        burst *= (time_s < end) * 10.0 ** rng.uniform(-3, 0.2)
        noise = rng.normal(0, 10.0 ** rng.uniform(-5, -1), samples) * (number % 4 != 0)
        offset = rng.normal(0, 0.1) * (number % 3 == 0)
        clips.append(np.clip(burst + noise + offset, -1, 1).astype(np.float32))
    return clips


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"normalize": "peak", "clip_s": 0.3},
        {"trim": False, "normalize": "none", "clip_s": 0.5},
        {"denoise": True},
        {"denoise": True, "trim": False, "normalize": "none", "clip_s": 5.0},
    ],
)
@pytest.mark.parametrize("keeps_length", [False, True])
def test_a_batch_of_clips_of_many_lengths(settings: dict, keeps_length: bool) -> None:
    audio = Audio(sample_rate=RATE, **settings)
    clips = raw_clips(60, seed=len(settings))
    lengths = [len(clip) for clip in clips]
    padded = np.full((len(clips), max(lengths)), np.nan, np.float32)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    conditioner = Conditioner(audio, keeps_length)
    found = tf.function(conditioner.waveforms, autograph=False)(padded, tf.constant(lengths))
    expected = [ingested(clip, audio, keeps_length) for clip in clips]
    assert sum(isinstance(each, np.ndarray) for each in expected) > 50
    arrays = [each.numpy() for each in found]
    for row, length, error, wanted in zip(*arrays, expected, strict=True):
        if isinstance(wanted, str):
            assert error.decode() == wanted
            assert not row.any()
            continue
        assert (error, length) == (b"", len(wanted))
        # At most one step of 16 bits: sums in another order may round another way.
        assert np.abs(row[:length] - wanted).max() <= 1 / 32768
        assert not row[length:].any()


def test_what_ingest_refuses_has_its_reason() -> None:
    audio = Audio(sample_rate=RATE, min_s=0.1)
    tone = np.sin(np.arange(RATE) / 5).astype(np.float32)
    with_nan, with_infinity = tone.copy(), tone.copy()
    with_nan[5], with_infinity[7] = np.nan, np.inf
    conditioner = Conditioner(audio, keeps_length=False)
    for clip in (tone[:0], with_nan, with_infinity, tone[:799], tone * 0 + 0.5, tone * 1e-4):
        expected = ingested(clip, audio, keeps_length=False)
        found = conditioner.waveforms(tf.constant(clip[np.newaxis]), tf.constant([len(clip)]))
        assert isinstance(expected, str)
        assert found.error.numpy().tolist() == [expected.encode()]


def test_long_clips_are_denoised_in_segments_and_cropped_at_the_first_of_equal_windows() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, 100 * RATE + 3).astype(np.float32)
    noise[50 * RATE : 51 * RATE] += np.sin(np.arange(RATE) / 3).astype(np.float32)
    pulses = np.zeros(3 * RATE, np.float32)
    pulses[[RATE // 2, 2 * RATE]] = 0.5
    for clip, audio, keeps_length in (
        (noise, Audio(sample_rate=RATE, denoise=True, trim=False), True),
        (pulses, Audio(sample_rate=RATE, trim=False, clip_s=0.25), False),
    ):
        conditioner = Conditioner(audio, keeps_length)
        found = conditioner.waveforms(tf.constant(clip[np.newaxis]), tf.constant([len(clip)]))
        expected = ingested(clip, audio, keeps_length)
        assert np.abs(found.waveform.numpy()[0] - expected).max() <= 1 / 32768
