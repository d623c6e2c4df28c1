"""Conditioning against closed forms and signals whose clean part is known."""

import io

import numpy as np
import pytest
import soundfile

from components.audio.condition import (
    HANGOVER_MS,
    condition,
    denoise,
    fit_length,
    normalize,
    trim,
)
from components.audio.pcm16 import from_pcm16, to_pcm16
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

RATE = 16000


def tone(amplitude: float, duration_s: float, frequency_hz: float = 400.0) -> np.ndarray:
    phase = 2 * np.pi * frequency_hz * np.arange(round(duration_s * RATE)) / RATE
    return (amplitude * np.sin(phase)).astype(np.float32)


def burst(start_s: float, duration_s: float, total_s: float, amplitude: float = 0.5) -> np.ndarray:
    clip = np.zeros(round(total_s * RATE), np.float32)
    start = round(start_s * RATE)
    clip[start : start + round(duration_s * RATE)] = tone(amplitude, duration_s)
    return clip


def noise(num_samples: int, rms: float, seed: int = 0) -> np.ndarray:
    return (rms * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def snr_db(estimate: np.ndarray, clean: np.ndarray) -> float:
    """Scale-invariant: the part of `estimate` along `clean` over the rest (Le Roux et al. 2019)."""
    estimate, clean = estimate.astype(np.float64), clean.astype(np.float64)
    target = estimate @ clean / (clean @ clean) * clean
    return 10 * np.log10((target @ target) / np.sum((estimate - target) ** 2))


class TestDenoise:
    @pytest.mark.parametrize(("noise_rms", "gain_db"), [(0.01, 2), (0.05, 8), (0.15, 9)])
    def test_bursts_rise_out_of_white_noise(self, noise_rms, gain_db):
        clean = np.concatenate([burst(0.2, 0.3, 0.7), burst(0.2, 0.2, 0.7)])
        noisy = clean + noise(len(clean), noise_rms)
        assert snr_db(denoise(noisy, RATE), clean) > snr_db(noisy, clean) + gain_db

    def test_speech_rises_out_of_white_noise(self, sentences):
        for path in sentences[:10]:
            speech, rate = soundfile.read(path, dtype="float32")
            noisy = speech + noise(len(speech), 0.3 * float(speech.std()))  # 10 dB
            assert snr_db(denoise(noisy, rate), speech) > snr_db(noisy, speech) + 3, path.name

    def test_pauses_get_quieter_and_the_burst_stays(self):
        noisy = burst(0.4, 0.3, 1.0) + noise(RATE, 0.02)
        denoised = denoise(noisy, RATE)
        assert np.std(denoised[:5000]) < 0.25 * np.std(noisy[:5000])
        assert np.std(denoised[7000:10500]) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)

    def test_coloured_noise_and_hum_go_too(self):
        clean = burst(0.4, 0.3, 1.0)
        hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(RATE) / RATE)
        brown = np.cumsum(noise(RATE, 0.002))
        noisy = (clean + hum + brown - brown.mean()).astype(np.float32)
        assert snr_db(denoise(noisy, RATE), clean) > snr_db(noisy, clean) + 6

    def test_what_has_no_noise_stays(self):
        clean = burst(0.4, 0.3, 1.0)
        np.testing.assert_allclose(denoise(clean, RATE), clean, atol=0.02)

    @pytest.mark.parametrize("num_samples", [1, 255, 2000, 3001, 15999, 31 * RATE + 7, 46 * RATE])
    def test_length_and_type_stay(self, num_samples):
        denoised = denoise(noise(num_samples, 0.1), RATE)
        assert denoised.shape == (num_samples,)
        assert denoised.dtype == np.float32
        assert np.isfinite(denoised).all()

    def test_nothing_but_silence_stays_silent(self):
        assert not denoise(np.zeros(RATE, np.float32), RATE).any()


class TestTrim:
    def test_keeps_the_burst_and_cuts_the_silence(self):
        clip = burst(1.0, 0.4, 3.0) + noise(3 * RATE, 1e-4)
        kept = trim(clip, RATE)
        hangover = HANGOVER_MS / 1000
        assert len(kept) / RATE == pytest.approx(0.4 + 2 * hangover, abs=0.021)
        start = round((1.0 - hangover) * RATE)
        assert np.array_equal(kept, clip[start : start + len(kept)])

    def test_a_burst_that_touches_the_edges_is_whole(self):
        for clip in (burst(0.0, 0.3, 1.0), burst(0.7, 0.3, 1.0)):
            assert np.count_nonzero(trim(clip, RATE)) == np.count_nonzero(clip)

    def test_a_soft_fricative_and_a_late_plosive_survive(self):
        clip = noise(2 * RATE, 1e-4)
        clip[8000:10400] += noise(2400, 0.02, seed=1)  # /s/, 25 dB below the vowel
        clip[10400:16000] += tone(0.5, 0.35)
        clip[17600:17920] += noise(320, 0.05, seed=2)  # a release 100 ms after the vowel
        kept = trim(clip, RATE)
        start = len(clip) - len(clip[8000 - 1280 :])
        assert np.array_equal(kept[:10000], clip[start : start + 10000])
        assert len(kept) >= 17920 - start

    def test_noise_near_the_speech_is_not_cut(self):
        clip = burst(0.5, 0.5, 1.5, amplitude=0.1) + noise(24000, 0.02)
        assert len(trim(clip, RATE)) == len(clip)

    @pytest.mark.parametrize("num_samples", [1, 100, 160, 16000])
    def test_never_cuts_everything(self, num_samples):
        for clip in (np.zeros(num_samples, np.float32), tone(0.5, num_samples / RATE)):
            assert len(trim(clip, RATE)) >= 1
        click = np.zeros(16000, np.float32)
        click[8000] = 1.0
        assert trim(click, RATE).max() == 1.0

    def test_words_are_kept(self, digits):
        clips = sorted(digits.rglob("*.wav"))
        for path in clips[:: len(clips) // 50]:
            waveform, rate = soundfile.read(path, dtype="float32")
            energy = np.sum((waveform - waveform.mean()) ** 2)
            kept = trim(waveform, rate)
            assert np.sum((kept - waveform.mean()) ** 2) > 0.99 * energy, path.name


class TestNormalize:
    def test_rms_of_a_sine(self):
        level = normalize(tone(0.01, 1.0), "rms")
        assert 20 * np.log10(np.std(level)) == pytest.approx(-23.0, abs=0.01)

    def test_peak_of_a_sine(self):
        level = normalize(tone(0.01, 1.0), "peak")
        assert 20 * np.log10(np.abs(level).max()) == pytest.approx(-1.0, abs=0.01)

    def test_rms_never_passes_the_peak_limit(self):
        click = np.zeros(RATE, np.float32)
        click[100] = 0.5
        level = normalize(click, "rms")
        assert 20 * np.log10(level.max()) == pytest.approx(-1.0, abs=0.01)

    def test_none_and_silence_stay(self):
        assert np.array_equal(normalize(tone(0.3, 0.1), "none"), tone(0.3, 0.1))
        for level in ("rms", "peak", "none"):
            assert not normalize(np.zeros(10, np.float32), level).any()

    def test_beyond_full_scale_comes_back_into_it(self):
        assert np.abs(normalize(tone(1e5, 0.1), "rms")).max() < 1.0


class TestFitLength:
    @pytest.mark.parametrize("num_samples", [1, 2, 9, 10, 11, 1000])
    @pytest.mark.parametrize("length", [1, 2, 9, 10, 11, 1000])
    def test_is_exact(self, num_samples, length):
        fitted = fit_length(np.ones(length, np.float32), num_samples)
        assert fitted.shape == (num_samples,)
        assert fitted.dtype == np.float32
        assert fitted.sum() == min(length, num_samples)

    def test_pads_both_sides(self):
        assert fit_length(np.ones(3, np.float32), 8).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]

    def test_crops_to_the_most_energy(self):
        clip = burst(1.3, 0.5, 3.0)
        assert np.array_equal(fit_length(clip, 8000), clip[20800:28800])

    def test_keeps_the_first_of_equal_windows(self):
        ramp = np.array([1, 2, 1, 2, 1], np.float32)
        assert fit_length(ramp, 2).tolist() == [1, 2]


class TestPcm16:
    def test_every_value_survives(self):
        values = np.arange(-32768, 32768, dtype="<i2").tobytes()
        assert to_pcm16(from_pcm16(values)) == values

    def test_little_endian_and_clipped_not_wrapped(self):
        assert to_pcm16(np.array([1 / 32768, 1.0, 7.0, -1.0, -7.0], np.float32)) == (
            b"\x01\x00\xff\x7f\xff\x7f\x00\x80\x00\x80"
        )

    def test_reads_as_soundfile_reads(self):
        file = io.BytesIO()
        pcm = to_pcm16(noise(1000, 0.2))
        soundfile.write(file, np.frombuffer(pcm, "<i2"), RATE, format="WAV", subtype="PCM_16")
        file.seek(0)
        assert np.array_equal(soundfile.read(file, dtype="float32")[0], from_pcm16(pcm))


class TestCondition:
    @pytest.mark.parametrize("denoise_it", [False, True])
    @pytest.mark.parametrize("trim_it", [False, True])
    @pytest.mark.parametrize("level", ["rms", "peak", "none"])
    @pytest.mark.parametrize("duration_s", [0.001, 0.3, 1.0, 2.345])
    def test_gives_the_length_asked_for(self, denoise_it, trim_it, level, duration_s):
        audio = Audio(denoise=denoise_it, trim=trim_it, normalize=level, clip_s=0.77, min_s=0.0)
        clip = condition(tone(0.3, duration_s), audio)
        assert clip.shape == (12320,)
        assert clip.dtype == np.float32
        assert 0 < np.abs(clip).max() <= 1.0

    @pytest.mark.parametrize("duration_s", [0.001, 0.3, 2.345])
    def test_stays_as_long_as_it_is_where_that_is_asked_for(self, duration_s):
        audio = Audio(trim=False, normalize="peak", clip_s=0.77, min_s=0.0)
        clip = condition(tone(0.3, duration_s), audio, longest_s=3.0)
        assert clip.shape == (round(duration_s * RATE),)
        assert np.abs(clip).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)

    def test_longer_than_the_limit_after_trimming_is_refused(self):
        audio = Audio(normalize="none")
        kept = condition(burst(2.0, 0.5, 6.0), audio, longest_s=0.8)
        assert 0.5 * RATE <= len(kept) <= 0.8 * RATE
        with pytest.raises(ClipError) as caught:
            condition(burst(2.0, 0.9, 6.0), audio, longest_s=0.8)
        assert caught.value.reason == "too_long"

    def test_the_level_is_that_of_what_was_kept(self):
        clip = condition(burst(2.0, 0.5, 6.0), Audio(normalize="peak", clip_s=0.5))
        assert np.abs(clip).max() == pytest.approx(10 ** (-1 / 20), rel=1e-3)
        assert np.count_nonzero(np.abs(clip) > 1e-3) > 7500

    def test_same_in_same_out(self):
        noisy = burst(0.4, 0.3, 1.5) + noise(24000, 0.02)
        audio = Audio(denoise=True)
        assert condition(noisy, audio).tobytes() == condition(noisy.copy(), audio).tobytes()

    def test_does_not_change_its_input(self):
        noisy = burst(0.4, 0.3, 1.5) + noise(24000, 0.02)
        before = noisy.copy()
        condition(noisy, Audio(denoise=True))
        assert np.array_equal(noisy, before)

    @pytest.mark.parametrize(
        ("waveform", "reason"),
        [
            (np.zeros(0, np.float32), "empty"),
            (np.zeros(100, np.float32), "silent"),
            (np.full(100, 0.5, np.float32), "silent"),
            (tone(10 ** (-71 / 20), 1.0), "silent"),
            (np.array([0.1, np.nan, 0.2], np.float32), "non_finite"),
            (np.array([0.1, -np.inf, 0.2], np.float32), "non_finite"),
            (tone(0.5, 0.019), "too_short"),
        ],
    )
    def test_refuses_what_cannot_be_stored(self, waveform, reason):
        with pytest.raises(ClipError) as caught:
            condition(waveform, Audio())
        assert caught.value.reason == reason

    def test_quiet_speech_is_not_silence(self):
        condition(tone(10 ** (-69 / 20), 1.0), Audio())
