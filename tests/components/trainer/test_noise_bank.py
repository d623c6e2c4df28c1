"""What a training mixes in: the same for the same clips, of clips of any length."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio.pcm16 import to_pcm16
from components.storage.contents import digest_files
from components.trainer.noise_bank import noise_bank
from schemas.example import encode_audio
from schemas.tfrecord import frame_record

RATE = 8000


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Tones of 10 ms to 1 s, and one clip of silence."""
    records = []
    for number, samples in enumerate((80, 500, 3000, 8000)):
        tone = np.sin(2 * np.pi * (500 + 400 * number) * np.arange(samples) / RATE)
        records.append(frame_record(encode_audio(to_pcm16(tone.astype(np.float32) / 2))))
    records.append(frame_record(encode_audio(to_pcm16(np.zeros(800, np.float32)))))
    (tmp_path / "records").write_bytes(b"".join(records))
    return [str(tmp_path / "records")]


@pytest.mark.parametrize(("clip_samples", "samples"), [(4000, 8000), (None, 32000)])
def test_noises_are_twice_as_long_as_a_clip(
    files: list[str], clip_samples: int | None, samples: int
) -> None:
    noises = noise_bank(files, clip_samples, RATE, seed=1)
    assert noises.shape[1] == samples
    assert noises.dtype == np.int16
    assert (np.abs(noises.astype(np.int32)).max(axis=1) > 29000).all()
    np.testing.assert_array_equal(noises, noise_bank(files, clip_samples, RATE, seed=1))
    assert not np.array_equal(noises, noise_bank(files, clip_samples, RATE, seed=2))


def test_voices_of_the_clips_are_among_them(files: list[str]) -> None:
    noises = noise_bank(files, 4000, RATE, seed=1)
    power = np.abs(np.fft.rfft(noises / 32768, axis=1)) ** 2
    tones = [500 + 400 * number for number in range(4)]  # bins of 1 Hz
    share = sum(power[:, tone - 60 : tone + 61].sum(axis=1) for tone in tones) / power.sum(axis=1)
    assert (share > 0.9).sum() >= 20


def test_recordings_are_added(files: list[str], tmp_path: Path) -> None:
    whistle = np.sin(2 * np.pi * 3333 * np.arange(5 * RATE) / RATE) / 2
    soundfile.write(tmp_path / "whistle.wav", whistle, RATE)
    path = str(tmp_path / "whistle.wav")
    listed = {"name": "whistle.wav", "path": path, "length_s": 5.0}
    (tmp_path / "noise.json").write_text(
        json.dumps([listed | {"sha256": digest_files([path])[path]}])
    )
    alone = noise_bank(files, 4000, RATE, seed=1)
    noises = noise_bank(files, 4000, RATE, seed=1, listed=str(tmp_path / "noise.json"))
    np.testing.assert_array_equal(noises[: len(alone)], alone)
    [*added] = noises[len(alone) :]
    assert len(added) == 3  # of three seconds that training may hear
    for noise in added:
        assert np.abs(np.fft.rfft(noise)).argmax() == 3333
