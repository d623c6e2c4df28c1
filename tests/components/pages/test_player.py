"""Recordings in a page hold every sample, and stop where the page has enough of them."""

import base64
import io

import numpy as np
import pytest
import soundfile

from components.pages.clips import Clip
from components.pages.player import Players


def clip(samples: int, seed: int = 0) -> Clip:
    noise = np.random.default_rng(seed).integers(-32768, 32768, samples).astype("<i2")
    return Clip(id="c", uri="c.wav", target="yes", speaker="", waveform=noise)


@pytest.mark.parametrize("rate", [4000, 8000, 16000, 44100, 192_000])
@pytest.mark.parametrize("samples", [1, 5000])
def test_a_recording_is_heard_as_it_was_stored(rate: int, samples: int) -> None:
    recording = clip(samples)
    head, content = str(Players(rate, 100_000)(recording)).split(",")
    assert head == "data:audio/flac;base64"
    heard, found_rate = soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="int16")
    assert found_rate == rate
    np.testing.assert_array_equal(heard, recording.waveform)


def test_the_limit_holds_for_all_recordings_together() -> None:
    players = Players(16000, 50_000)
    uris = [players(clip(8000, seed)) for seed in range(5)]  # noise: no smaller than as PCM
    assert [uri is not None for uri in uris] == [True] * 3 + [False] * 2
    assert sum(len(str(uri)) for uri in uris[:3]) * 3 / 4 < 50_100
    assert players(clip(100)) is not None  # a short one still fits
