"""Copies of a recording have its fingerprint and correlate with it; other takes do not."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.fingerprint import (
    SAME_RECORDING,
    correlation,
    fingerprint,
    fingerprint_all,
)
from components.audio.synthesis import generate, voices
from schemas.workflow.audio import Audio
from schemas.workflow.generated import Generated

RATE = 16000
AUDIO = Audio(sample_rate=RATE)
GENERATED = Generated(speakers=8, takes=2)


def speak(word: str, speaker: int, take: int = 0) -> np.ndarray:
    voice = voices(GENERATED.speakers, GENERATED.seed)[speaker]
    return generate(word, voice, take, GENERATED, RATE).astype(np.float32)


def encode(waveform: np.ndarray, form: str, subtype: str) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format=form, subtype=subtype)
    return decode(file.getvalue(), RATE).waveform


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The smallest share of different bits over all shifts, bit by bit."""
    bits = [[f"{word:016b}" for word in fingerprint(each, RATE)] for each in (one, other)]
    shares = []
    for shift in range(-25, 26):
        pairs = zip(bits[0][max(0, shift) :], bits[1][max(0, -shift) :], strict=False)
        active = [(a, b) for a, b in pairs if int(a, 2) and int(b, 2)]
        if len(active) >= 8:
            wrong = sum(x != y for a, b in active for x, y in zip(a, b, strict=True))
            shares.append(wrong / (16 * len(active)))
    return min(shares)


COPIES = {
    "mp3": lambda w: encode(w, "MP3", "MPEG_LAYER_III"),
    "vorbis": lambda w: encode(w, "OGG", "VORBIS"),
    "mu-law": lambda w: encode(w, "WAV", "ULAW"),
    "12 dB less": lambda w: w / 4,
    "upside down": lambda w: -w,
    "0.2 s later": lambda w: np.concatenate([np.zeros(3300, np.float32), w]),
    "half the rate and back": lambda w: soxr.resample(soxr.resample(w, 2, 1), 1, 2)[: len(w)],
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_a_copy_is_the_same_recording(copy) -> None:
    waveform = speak("seven", 3)
    one, other = condition(waveform, AUDIO), condition(copy(waveform), AUDIO)
    assert difference(one, other) < 0.25  # what the certificate takes for a candidate
    assert correlation(one, other) > SAME_RECORDING


@pytest.mark.parametrize(("word", "speaker"), [("seven", 4), ("six", 3)])
def test_another_word_or_speaker_is_another_recording(word: str, speaker: int) -> None:
    one = condition(speak("seven", 3), AUDIO)
    other = condition(speak(word, speaker), AUDIO)
    assert difference(one, other) > 0.25
    assert correlation(one, other) < 0.8


def test_correlation_is_that_of_every_shift_tried() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=50), rng.normal(size=60)
    every = np.abs(np.correlate(other, one, "full")).max()
    expected = every / np.sqrt((one @ one) * (other @ other))
    assert correlation(one, other) == pytest.approx(expected)
    assert correlation(one, np.zeros(9)) == 0.0
    assert correlation(one, one) == pytest.approx(1.0)


def test_silence_has_no_active_frame_and_a_blip_no_frame() -> None:
    assert not fingerprint(np.zeros(RATE, np.float32), RATE).any()
    assert len(fingerprint(np.ones(900, np.float32), RATE)) == 0
    assert fingerprint(np.zeros(0, np.float32), RATE).dtype == np.uint16


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 22050, 44100, 192000])
def test_any_rate_has_a_frame_every_16_ms(rate: int) -> None:
    noise = np.random.default_rng(1).normal(size=2 * rate).astype(np.float32)
    assert len(fingerprint(noise, rate)) == pytest.approx(2 / 0.016, abs=12)


def test_more_padding_changes_nothing() -> None:
    waveform = np.trim_zeros(condition(speak("left", 2), AUDIO))
    some, much = np.pad(waveform, (3000, 4000)), np.pad(waveform, (9000, 5000))
    np.testing.assert_array_equal(fingerprint(some, RATE), fingerprint(much, RATE))


@pytest.mark.parametrize(
    ("rate", "samples"),
    [(8000, 8000), (16000, 900), (16000, 3000), (22050, 22050), (44100, 30_001), (16000, 0)],
)
def test_a_fingerprint_is_the_same_alone_and_among_others(rate, samples):
    waveforms = np.random.default_rng(1).normal(0, 0.1, (9, samples)).astype(np.float32)
    waveforms[3, : samples // 2] = waveforms[4, samples // 3 :] = waveforms[5] = 0
    for waveform, found in zip(waveforms, fingerprint_all(waveforms, rate), strict=True):
        np.testing.assert_array_equal(found, fingerprint(waveform, rate))
