"""What a clip sounds like under a condition, measured."""

import functools

import numpy as np
import pytest

from components.audio import conditions
from components.audio.conditions import Conditions
from schemas.workflow.conditions import NAMES

RATE = 16000
CLIP = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)


CONDITIONS = functools.cache(Conditions)  # their noises take half a second to make


def _heard(name, clip=CLIP, clip_id="a"):
    return CONDITIONS(RATE).apply(name, clip, clip_id)


@pytest.mark.parametrize("snr_db", [20, 0, -5])
def test_noise_has_its_ratio(snr_db):
    noise = _heard(f"noise_{snr_db}db") - CLIP
    ratio = np.mean(CLIP**2) / np.mean(noise**2)
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_recordings_are_what_is_mixed_in_where_there_are_some():
    tone = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE) / RATE).astype(np.float32)
    noise = Conditions(RATE, tone[None]).apply("noise_0db", CLIP, "a") - CLIP
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[1000] / power.sum() > 0.99


def test_a_room_rings_as_long_as_it_says():
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    heard = _heard("room", click)
    assert heard[0] == pytest.approx(1.0, abs=1e-5)
    echo_db = 10 * np.log10(np.sum(heard[1:] ** 2))
    assert echo_db == pytest.approx(conditions.ECHO_DB, abs=0.2)
    energy = np.cumsum(heard[::-1] ** 2)[::-1]  # Schroeder's backward integration
    decay_db = 10 * np.log10(energy[1 : round(0.2 * RATE)])
    slope = np.polyfit(np.arange(len(decay_db)) / RATE, decay_db, 1)[0]
    assert -60 / slope == pytest.approx(conditions.ROOM_S, rel=0.1)


def test_a_shift_goes_either_way_and_leaves_silence():
    heard = [_heard("shift", clip_id=str(number)) for number in range(20)]
    samples = round(conditions.SHIFT_S * RATE)
    late = [not each[:samples].any() for each in heard]
    assert {*late} == {True, False}
    for each, is_late in zip(heard, late, strict=True):
        moved, rest = (each[samples:], CLIP[:-samples]) if is_late else (each, CLIP[samples:])
        np.testing.assert_array_equal(moved[: len(rest)], rest)


def test_level_band_and_clipping():
    assert np.abs(_heard("quiet")).max() == pytest.approx(np.abs(CLIP).max() / 31.62, rel=1e-3)
    power = np.abs(np.fft.rfft(_heard("telephone"))) ** 2
    inside = power[300:3401].sum()
    assert (power[:299].sum() + power[3402:].sum()) / inside < 1e-6
    assert inside == pytest.approx((np.abs(np.fft.rfft(CLIP)) ** 2)[300:3401].sum(), rel=1e-4)
    clipped = _heard("clipped")
    assert np.abs(clipped).max() == pytest.approx(np.abs(CLIP).max() / 3.981, rel=1e-3)


@pytest.mark.parametrize("name", ["noise_5db", "room", "shift"])
def test_the_clip_alone_decides_what_is_drawn(name):
    np.testing.assert_array_equal(_heard(name), _heard(name))
    assert not np.array_equal(_heard(name), _heard(name, clip_id="c"))


@pytest.mark.parametrize("name", ["noise_20db", "room", "shift", "quiet", "telephone", "clipped"])
@pytest.mark.parametrize("samples", [1, 37])
def test_silence_and_the_shortest_clips_stay_numbers(name, samples):
    heard = _heard(name, np.zeros(samples, np.float32))
    assert heard.dtype == np.float32
    assert not heard.any()
    assert heard.shape == (samples,)


def test_every_condition_that_a_workflow_may_name_can_be_heard():
    for name in NAMES:
        assert _heard(name).shape == CLIP.shape


def test_an_unknown_condition_is_refused():
    with pytest.raises(ValueError, match="underwater"):
        _heard("underwater")
