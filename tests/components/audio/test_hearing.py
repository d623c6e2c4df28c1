"""What is said of a recording that a model heard."""

import numpy as np
import pytest

from components.audio.condition import condition
from components.audio.hearing import heard_part, hearing_notes, sound_stretches
from schemas.workflow.audio import Audio

RATE = 8000


def recording(seconds: float, *words: tuple[float, float]) -> np.ndarray:
    """Faint noise with tones from and to these seconds."""
    waveform = np.random.default_rng(0).normal(0, 0.0005, round(seconds * RATE))
    time_s = np.arange(len(waveform)) / RATE
    for start_s, end_s in words:
        inside = (time_s >= start_s) & (time_s < end_s)
        waveform[inside] += 0.2 * np.sin(2 * np.pi * 440 * time_s[inside])
    return waveform.astype(np.float32)


def audio(**keys: object) -> Audio:
    return Audio.model_validate({"sample_rate": RATE, "clip_s": 0.5, **keys})


def test_a_clip_that_fits_has_no_notes() -> None:
    assert hearing_notes(recording(3.0, (1.0, 1.3)), audio()) == []
    assert heard_part(recording(3.0, (1.0, 1.3)), audio()) is None


@pytest.mark.parametrize("keys", [{}, {"trim": False}, {"denoise": True}, {"normalize": "peak"}])
def test_the_part_is_the_one_that_conditioning_keeps(keys: dict[str, object]) -> None:
    settings = audio(**keys)
    waveform = recording(3.0, (0.4, 0.6), (1.2, 1.9))
    part = heard_part(waveform, settings)
    assert part is not None
    start, end = part
    assert end - start == RATE // 2
    assert 1.2 * RATE <= start < end <= 1.9 * RATE
    kept = condition(waveform, settings)
    if not settings.denoise:
        heard = waveform[start:end]
        np.testing.assert_allclose(
            kept / np.abs(kept).max(), heard / np.abs(heard).max(), atol=1e-5
        )


def test_two_words_are_told_from_one_with_a_short_pause() -> None:
    two, one = recording(3.0, (0.4, 0.8), (1.2, 1.6)), recording(3.0, (0.4, 0.9), (1.1, 1.6))
    stretches = np.array(sound_stretches(two, RATE))
    np.testing.assert_allclose(stretches, [[0.4, 0.8], [1.2, 1.6]], atol=0.011)
    assert len(sound_stretches(one, RATE)) == 1
    assert [note.partition(" ")[0] for note in hearing_notes(two, audio())] == [
        "cropped:",
        "several",
    ]
    assert [note.partition(" ")[0] for note in hearing_notes(one, audio())] == ["cropped:"]


def test_a_click_is_no_word() -> None:
    waveform = recording(3.0, (0.4, 1.0), (2.0, 2.02))
    [(start_s, end_s)] = sound_stretches(waveform, RATE)
    assert (start_s, end_s) == pytest.approx((0.4, 1.0), abs=0.011)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_noise_is_steady(rate: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 5 * rate).astype(np.float32)
    notes = hearing_notes(noise, Audio(sample_rate=rate, clip_s=1.0))
    assert any(note.startswith("a steady sound") for note in notes)
