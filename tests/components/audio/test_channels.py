"""Of several channels one clip: the mean of those that hold sound, if they do not cancel it."""

import io

import numpy as np
import pytest
import soundfile

from components.audio import decode as decode_module
from components.audio.channels import choose_channels
from components.audio.decode import AudioFile, Decoded, decode
from components.audio.hearing import recording_notes

RATE = 16000
RNG = np.random.default_rng(3)
SPEECH = 0.3 * np.sin(np.arange(RATE) * 0.13) * (np.arange(RATE) % 5000 > 2500)
OTHER = RNG.normal(0, 0.1, RATE)
SILENCE = np.zeros(RATE)
HISS = RNG.normal(0, 1e-4, RATE)


def encode(*channels: np.ndarray, subtype: str = "FLOAT", container: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack(channels, 1), RATE, format=container, subtype=subtype)
    return file.getvalue()


MIXES = {
    "equal": ([SPEECH, SPEECH], [0, 1]),
    "unrelated": ([SPEECH, OTHER], [0, 1]),
    "one 30 dB below": ([SPEECH, 0.03 * OTHER], [0, 1]),
    "one silent": ([SPEECH, SILENCE], [0]),
    "the other silent": ([SILENCE, SPEECH], [1]),
    "one nearly silent": ([HISS, SPEECH], [1]),
    "one with nothing but an offset": ([SPEECH, SILENCE + 0.4], [0]),
    "one of five": ([SILENCE, HISS, SPEECH, SILENCE, SILENCE], [2]),
    "two of three": ([SPEECH, SILENCE, OTHER], [0, 2]),
    "opposite": ([SPEECH, -SPEECH], [0]),
    "opposite, the second louder": ([0.9 * SPEECH, -SPEECH], [1]),
    "opposite, with an offset": ([SPEECH + 0.2, 0.2 - SPEECH], [0]),
    "opposite, in noise": ([SPEECH + HISS, -SPEECH], [0]),
    "opposite, beside silence": ([SILENCE, SPEECH, -SPEECH], [1]),
    "all silent": ([SILENCE, SILENCE], [0, 1]),
    "a quarter of a turn apart": ([SPEECH, np.roll(SPEECH, 12)], [0, 1]),
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16"])
def test_the_clip_is_the_mean_of(mix: str, subtype: str) -> None:
    channels, kept = MIXES[mix]
    data = encode(*channels, subtype=subtype)
    clip = decode(data, RATE)
    read, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    np.testing.assert_allclose(clip.waveform, read[:, kept].mean(axis=1), atol=1e-6)
    assert (clip.heard_channels, clip.source_channels) == (len(kept), len(channels))


def test_the_channels_are_chosen_once_for_a_clip_read_in_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = np.concatenate([SILENCE[: RATE // 2], OTHER[: RATE // 2]])  # speaks in the second half
    for channels in ([SPEECH, late], [SPEECH, -SPEECH], [SPEECH, SILENCE]):
        data = encode(*channels)
        at_once = decode(data, RATE)
        monkeypatch.setattr(decode_module, "_BLOCK_SAMPLES", 1000)
        in_blocks = decode(data, RATE)
        with AudioFile(data) as file:
            streamed = np.concatenate(list(file.stream(RATE)))
        monkeypatch.undo()
        np.testing.assert_array_equal(in_blocks.waveform, at_once.waveform)
        np.testing.assert_array_equal(streamed, at_once.waveform)
        assert in_blocks.heard_channels == at_once.heard_channels


def test_a_channel_that_is_asked_for_is_taken_silent_or_not() -> None:
    data = encode(SPEECH, SILENCE)
    assert not decode(data, RATE, channel=1).waveform.any()
    assert decode(data, RATE, channel=0).waveform.any()


def test_no_samples_and_no_numbers_choose_all() -> None:
    assert choose_channels([np.zeros((0, 2), np.float32)]) == [0]
    odd = np.stack([SPEECH, SPEECH], 1).astype(np.float32)
    odd[7, 0] = np.nan
    assert choose_channels([odd]) == [0, 1]


def test_people_are_told_of_channels_that_are_not_heard() -> None:
    clip = Decoded(SPEECH, RATE, 2, "wav")
    assert ["1 of 2" in note for note in recording_notes(clip)] == [True]
    assert recording_notes(Decoded(SPEECH, RATE, 2, "wav", heard_channels=2)) == []
