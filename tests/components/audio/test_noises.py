"""Generated noise: usable, different, and the same again."""

import numpy as np
import pytest

from components.audio.noises import generate_noises


@pytest.mark.parametrize("sample_rate", [8000, 16000, 48000])
def test_noises_are_sound_of_a_peak(sample_rate):
    noises = generate_noises(16, sample_rate, sample_rate, 1)
    assert noises.shape == (16, sample_rate)
    assert noises.dtype == np.float32
    np.testing.assert_allclose(np.abs(noises).max(axis=1), 0.9, rtol=1e-5)
    assert (np.square(noises).mean(axis=1) > 1e-6).all()


def test_a_seed_fixes_them_and_another_gives_others():
    first = generate_noises(16, 4000, 8000, 1)
    np.testing.assert_array_equal(first, generate_noises(16, 4000, 8000, 1))
    assert not np.isclose(first, generate_noises(16, 4000, 8000, 2)).all(axis=1).any()
    correlations = np.corrcoef(first) - np.eye(16)
    assert np.abs(correlations).max() < 0.5


def test_very_short_ones_can_be_made():
    assert np.isfinite(generate_noises(16, 50, 8000, 1)).all()
