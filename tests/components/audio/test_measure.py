"""Side features against closed forms."""

import numpy as np
import pytest

from components.audio.measure import FLOOR_DB, frame_levels_db, is_active, measure, measure_all

RATE = 16000
FEATURES = {
    "duration_s",
    "rms_db",
    "peak_db",
    "clipped_fraction",
    "dc_offset",
    "snr_db",
    "speech_fraction",
}


def tone(amplitude: float, duration_s: float, rate: int = RATE) -> np.ndarray:
    phase = 2 * np.pi * 400 * np.arange(round(duration_s * rate)) / rate
    return (amplitude * np.sin(phase)).astype(np.float32)


def test_a_sine_has_the_level_of_its_formula():
    features = measure(tone(0.5, 1.0), RATE)
    assert set(features) == FEATURES
    assert features["duration_s"] == 1.0
    assert features["rms_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1e-3)
    assert features["peak_db"] == pytest.approx(20 * np.log10(0.5), abs=1e-3)
    assert features["clipped_fraction"] == 0.0
    assert features["dc_offset"] == pytest.approx(0.0, abs=1e-6)
    assert features["snr_db"] == pytest.approx(0.0, abs=0.01)
    assert features["speech_fraction"] == 1.0


def test_clipping_and_offset_are_seen():
    square = np.sign(tone(1.0, 1.0) + np.float32(1e-3))
    assert measure(square, RATE)["clipped_fraction"] == 1.0
    half = np.where(np.arange(1000) < 250, 32767 / 32768, 0.1).astype(np.float32)
    assert measure(half, RATE)["clipped_fraction"] == 0.25
    assert measure(tone(0.2, 1.0) + np.float32(0.25), RATE)["dc_offset"] == pytest.approx(0.25)


@pytest.mark.parametrize("snr_db", [10.0, 20.0, 40.0])
def test_snr_of_a_burst_in_noise(snr_db):
    noise = np.random.default_rng(0).standard_normal(RATE) * 1e-3
    burst = np.zeros(RATE)
    burst[4000:12000] = tone(np.sqrt(2) * 1e-3 * 10 ** (snr_db / 20), 0.5)
    measured = measure((noise + burst).astype(np.float32), RATE)["snr_db"]
    assert measured == pytest.approx(10 * np.log10(1 + 10 ** (snr_db / 10)), abs=2.5)


def test_speech_fraction_is_the_share_of_the_loud_part():
    burst = np.random.default_rng(0).standard_normal(RATE) * 1e-4
    burst[4000:8000] += tone(0.5, 0.25)
    features = measure(burst.astype(np.float32), RATE)
    assert features["speech_fraction"] == pytest.approx(0.25, abs=0.01)


def test_an_offset_hides_no_silence():
    burst = np.full(RATE, 0.3)
    burst[4000:8000] += tone(0.5, 0.25)
    # The mean of the burst is that of the clip, so the silence is at the floor.
    features = measure(burst.astype(np.float32), RATE)
    assert features["speech_fraction"] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("num_samples", [0, 1, 7, 159, 160, 161, RATE])
def test_silence_and_short_clips_have_finite_features(num_samples):
    silent = measure(np.zeros(num_samples, np.float32), RATE)
    assert silent["duration_s"] == num_samples / RATE
    assert silent["rms_db"] == silent["peak_db"] == FLOOR_DB
    assert silent["snr_db"] == 0.0
    full_scale = np.full(num_samples, -1.0, np.float32)
    for waveform in (full_scale, tone(0.1, num_samples / RATE)):
        features = measure(waveform, RATE)
        assert all(type(value) is float and np.isfinite(value) for value in features.values())


def test_frames_cover_the_whole_clip():
    waveform = np.zeros(RATE + 5, np.float32)
    waveform[-5:] = [1, -1, 1, -1, 1]
    levels_db = frame_levels_db(waveform, RATE)
    assert len(levels_db) == 101
    assert levels_db[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_click_does_not_hide_quiet_speech():
    levels_db = np.full(100, -90.0)
    levels_db[40:60] = -45.0
    levels_db[10] = 0.0
    assert np.flatnonzero(is_active(levels_db)).tolist() == [10, *range(40, 60)]


def test_speech_stands_out_of_its_recordings(sentences):
    import soundfile

    features = [measure(*soundfile.read(clip, dtype="float32")) for clip in sentences]
    assert np.median([f["snr_db"] for f in features]) > 15
    assert all(0.2 < f["speech_fraction"] < 1.0 for f in features)


@pytest.mark.parametrize("num_samples", [0, 1, 159, 161, 16_000, 16_007])
def test_a_clip_is_measured_the_same_alone_and_among_others(num_samples):
    waveforms = np.random.default_rng(1).normal(0, 0.3, (9, num_samples)).astype(np.float32)
    waveforms *= np.logspace(-4, 1, 9, dtype=np.float32)[:, None]
    waveforms[3] = 0
    together = measure_all(waveforms, RATE)
    assert together == [measure(waveform, RATE) for waveform in waveforms]
