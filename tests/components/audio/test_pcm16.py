"""16-bit PCM against libsndfile."""

import io

import numpy as np
import pytest
import soundfile

from components.audio.pcm16 import from_pcm16, to_pcm16, wav_file

EXTREMES = np.array([0, 1, -32768, 32767], "<i2")


def test_wav_files_are_what_libsndfile_reads() -> None:
    samples, rate = soundfile.read(io.BytesIO(wav_file(EXTREMES.tobytes(), 11025)), dtype="int16")
    assert rate == 11025
    np.testing.assert_array_equal(samples, EXTREMES)


def test_both_ways_give_the_same_samples() -> None:
    assert to_pcm16(from_pcm16(EXTREMES.tobytes())) == EXTREMES.tobytes()


@pytest.mark.parametrize(("loud", "clipped"), [(2.0, 32767), (-2.0, -32768)])
def test_what_passes_full_scale_is_clipped(loud: float, clipped: int) -> None:
    assert np.frombuffer(to_pcm16(np.array([loud])), "<i2").tolist() == [clipped]
