"""The fast path of plain WAV files gives what libsndfile gives, also for damaged ones."""

import io
from unittest import mock

import numpy as np
import pytest
import soundfile

from components.audio.decode import decode
from components.audio.wav import open_pcm16
from schemas.errors import ClipError

RATE = 16000


def wav_file(channels=1, rate=RATE, subtype="PCM_16", seed=0):
    file = io.BytesIO()
    samples = np.random.default_rng(seed).integers(-32768, 32768, (500, channels), np.int16)
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def outcome(data, **part):
    try:
        clip = decode(data, RATE, **part)
    except ClipError as error:
        return error.reason
    return (
        clip.waveform.tobytes(),
        clip.source_rate_hz,
        clip.source_channels,
        clip.source_format,
    )


def by_libsndfile(data, **part):
    with mock.patch("components.audio.decode.open_pcm16", return_value=None):
        return outcome(data, **part)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate", [8000, RATE, 44100])
@pytest.mark.parametrize("part", [{}, {"offset_s": 0.005, "duration_s": 0.004}])
def test_plain_files_are_what_libsndfile_reads(channels, rate, part):
    data = wav_file(channels, rate)
    assert open_pcm16(data) is not None
    assert outcome(data, **part) == by_libsndfile(data, **part)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_other_codecs_are_left_alone(subtype):
    assert open_pcm16(wav_file(subtype=subtype)) is None


def test_damaged_files_are_what_libsndfile_reads():
    rng = np.random.default_rng(1)
    original = wav_file(2)
    taken = 0
    for _ in range(3000):
        data = bytearray(original)
        place = int(rng.integers(60))
        data[place : place + 4] = rng.bytes(int(rng.integers(1, 5)))
        data = bytes(data[: int(rng.integers(30, len(data)))] if rng.random() < 0.2 else data)
        if open_pcm16(data) is not None:
            taken += 1
            assert outcome(data) == by_libsndfile(data)
    assert taken > 100


def test_of_two_chunks_of_samples_libsndfile_chooses():
    data = wav_file()
    again = data + data[36:]
    assert open_pcm16(again) is None
    assert open_pcm16(again + b"LIST\4\0\0\0abcd") is None
    assert open_pcm16(data + b"LIST\4\0\0\0abcd") is not None
