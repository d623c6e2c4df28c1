"""MP3 files as they are found: what stands around the frames, and counts that are wrong."""

import io
import random

import numpy as np
import pytest
import soundfile

from components.audio.decode import decode
from components.audio.formats import is_supported, recognize
from components.audio.mpeg import starts_as_mp3
from schemas.workflow.audio import Audio

RATE = 16000
DELAY = 529  # samples of any decoder, before the first sound
SOUND = np.random.default_rng(0).normal(0, 0.03, 2 * RATE)
SOUND += 0.3 * np.sin(np.arange(2 * RATE) * 0.2) * (np.arange(2 * RATE) % 8000 > 4000)


def encode(samples: np.ndarray = SOUND, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="MP3")
    return file.getvalue()


WHOLE = encode()
XING = WHOLE.index(b"Xing")
FIRST = WHOLE.index(WHOLE[:2], 4)  # the frame behind the one with the count


def apev2(items: bytes = b"x" * 100) -> bytes:
    size, count = (number.to_bytes(4, "little") for number in (len(items) + 32, 1))
    flags = [(1 << 31 | is_head << 29).to_bytes(4, "little") for is_head in (1, 0)]
    head, foot = (
        b"APETAGEX" + (2000).to_bytes(4, "little") + size + count + each + bytes(8)
        for each in flags
    )
    return head + items + foot


def id3v2(content: bytes, size: int) -> bytes:
    return b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


BEFORE = {
    "zeros": bytes(417),
    "many zeros": bytes(70_000),
    "an APE tag": apev2(),
    "ID3v2": id3v2(bytes(300), 300),
    "ID3v2 whose size is too small": id3v2(b"garbage" * 50, 100),
    "ID3v2 whose size reaches into the sound": id3v2(bytes(50), 2000),
    "ID3v2 whose size is beyond the file": id3v2(bytes(50), 1 << 27),
    "two tags": id3v2(bytes(64), 64) + apev2(),
    "the rest of a frame": WHOLE[FIRST + 100 : FIRST + 140],
    "what looks like a frame": b"\xff\xfb\x90\x00" * 3,
}
AFTER = {"ID3v1": b"TAG" + bytes(125), "an APE tag": apev2(), "zeros": bytes(500)}


@pytest.mark.parametrize("before", BEFORE)
def test_whatever_stands_before_the_first_frame(before: str) -> None:
    data = BEFORE[before] + WHOLE
    assert is_supported(data)
    assert recognize(data).container == "mp3"
    clip = decode(data, RATE).checked(Audio())
    np.testing.assert_array_equal(clip.waveform, decode(WHOLE, RATE).waveform)


@pytest.mark.parametrize("after", AFTER)
def test_whatever_stands_behind_the_last_frame(after: str) -> None:
    clip = decode(WHOLE + AFTER[after], RATE).checked(Audio())
    np.testing.assert_array_equal(clip.waveform, decode(WHOLE, RATE).waveform)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_a_count_that_is_too_small(count: int) -> None:
    data = WHOLE[: XING + 8] + count.to_bytes(4, "big") + WHOLE[XING + 12 :]
    clip = decode(data, RATE).checked(Audio())
    np.testing.assert_array_equal(clip.waveform, decode(WHOLE, RATE).waveform)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_without_a_count_it_is_read_to_its_end(rate: int, channels: int) -> None:
    """libsndfile alone guesses from the size of the first frames, and stops there."""
    sound = np.concatenate([np.zeros(rate), SOUND])
    whole = encode(np.repeat(sound[:, None], channels, axis=1), rate)
    first = whole.index(whole[:2], 4)
    clip = decode(whole[first:], rate).checked(Audio())
    frames = len(decode(whole, rate).waveform)
    assert frames - DELAY <= len(clip.waveform) <= frames + 3 * 1152


def test_other_files_do_not_look_like_one() -> None:
    numbers = random.Random(0)
    assert not starts_as_mp3(numbers.randbytes(1 << 20))
    assert not starts_as_mp3(bytes(1 << 20))
    assert not starts_as_mp3(b"\xff" * 100_000)
    assert not starts_as_mp3(("äöü some text " * 1000).encode("latin-1"))
    assert not starts_as_mp3(np.arange(-30000, 30000, dtype="<i2").tobytes())
