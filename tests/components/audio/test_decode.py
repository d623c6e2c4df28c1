"""Decoding, against files written by soundfile at test time and files known to be broken."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from speech import SENTENCES, say

from components.audio import decode as decode_module
from components.audio.decode import AudioFile, decode
from components.audio.formats import is_supported
from components.audio.limits import MAX_DURATION_S
from components.audio.pcm16 import from_pcm16, to_pcm16
from components.audio.synthesis import voices
from schemas.errors import ClipError
from schemas.utterance import REJECT_REASONS


def tone(frequency_hz: float, rate: int, duration_s: float = 0.5, amplitude: float = 0.5):
    time_s = np.arange(round(duration_s * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def encode(samples: np.ndarray, rate: int, container: str, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def peak_frequency_hz(waveform: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), 1 << 18))
    return spectrum.argmax() * rate / (1 << 18)


def reason_of(data: bytes, **arguments) -> str:
    with pytest.raises(ClipError) as caught:
        decode(data, 16000, **arguments)
    assert caught.value.reason in REJECT_REASONS
    return caught.value.reason


LOSSLESS = [
    (container, subtype)
    for container, subtypes in {
        "WAV": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"],
        "WAVEX": ["PCM_16", "PCM_24"],
        "RF64": ["PCM_16"],
        "FLAC": ["PCM_S8", "PCM_16", "PCM_24"],
        "AIFF": ["PCM_16", "PCM_24"],
        "AU": ["PCM_16"],
        "NIST": ["PCM_16"],
    }.items()
    for subtype in subtypes
]


@pytest.mark.parametrize(("container", "subtype"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_every_bit_depth_at_its_own_rate_comes_back(container, subtype, channels):
    written = tone(440, 16000)
    data = encode(np.tile(written[:, None], channels), 16000, container, subtype)
    decoded = decode(data, 16000)
    bits8 = subtype in ("PCM_U8", "PCM_S8", "ULAW", "ALAW")
    np.testing.assert_allclose(decoded.waveform, written, atol=0.02 if bits8 else 1e-4)
    assert decoded.waveform.dtype == np.float32
    assert decoded.waveform.shape == written.shape
    assert (decoded.source_rate_hz, decoded.source_channels) == (16000, channels)
    assert decoded.source_format == container.lower()


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
def test_either_byte_order(endian):
    file = io.BytesIO()
    soundfile.write(file, tone(440, 16000), 16000, format="WAV", subtype="PCM_16", endian=endian)
    assert file.getvalue()[:4] == {"LITTLE": b"RIFF", "BIG": b"RIFX"}[endian]
    np.testing.assert_allclose(decode(file.getvalue(), 16000).waveform, tone(440, 16000), atol=1e-4)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_a_tone_keeps_its_frequency_level_and_length_at_another_rate(rate, container):
    decoded = decode(encode(tone(1000, rate), rate, container), 16000)
    assert len(decoded.waveform) == pytest.approx(8000, abs=1)
    assert peak_frequency_hz(decoded.waveform, 16000) == pytest.approx(1000, abs=0.5)
    middle = decoded.waveform[2000:6000]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("OGG", "VORBIS", 22050), ("OGG", "OPUS", 48000), ("MP3", "MPEG_LAYER_III", 44100)],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossy_formats_keep_the_tone(container, subtype, rate, channels):
    written = np.tile(tone(1000, rate)[:, None], channels)
    decoded = decode(encode(written, rate, container, subtype), 16000)
    assert decoded.source_format == container.lower()
    assert len(decoded.waveform) == pytest.approx(8000, abs=1200)  # encoders pad
    assert peak_frequency_hz(decoded.waveform, 16000) == pytest.approx(1000, abs=2)


def test_what_is_above_the_new_nyquist_frequency_is_gone():
    decoded = decode(encode(tone(9500, 44100), 44100, "WAV"), 16000)
    assert np.abs(decoded.waveform[1000:-1000]).max() < 1e-3


@pytest.mark.parametrize("seconds", [1, 40])  # in one piece, and in blocks
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("part", [{}, {"offset_s": 0.25, "duration_s": 0.5}])
def test_one_channel_is_what_a_file_of_that_channel_alone_gives(seconds, container, part):
    rng = np.random.default_rng(1)
    channels = rng.uniform(-0.5, 0.5, (seconds * 8000, 3))
    for rate in (8000, 16000):
        data = encode(channels, 8000, container, "PCM_16")
        for channel in range(3):
            alone = encode(channels[:, channel], 8000, container, "PCM_16")
            found = decode(data, rate, channel=channel, **part)
            np.testing.assert_array_equal(found.waveform, decode(alone, rate, **part).waveform)
            assert found.source_channels == 3


def test_one_open_file_gives_any_channel_after_another():
    channels = np.stack([np.arange(1000), -np.arange(1000)], axis=1) / 2000
    with AudioFile(encode(channels, 8000, "FLAC", "PCM_24")) as file:
        for channel in (1, 0, 1):
            found = file.read(8000, 0.05, 0.05, channel).waveform
            np.testing.assert_allclose(found, channels[400:800, channel], atol=1e-6)
        louder = file.read(8000)  # the mean of both is silence
        np.testing.assert_allclose(louder.waveform, channels[:, 0], atol=1e-6)
        assert louder.heard_channels == 1


@pytest.mark.parametrize("channel", [2, -1, 1 << 40])
def test_a_channel_that_is_not_there_is_a_bad_row(channel):
    with pytest.raises(ClipError, match="2 channels") as caught:
        decode(encode(np.zeros((100, 2)), 16000, "WAV", "FLOAT"), 16000, channel=channel)
    assert caught.value.reason == "bad_row"


def test_channels_are_averaged():
    channels = np.stack([np.full(100, 0.9), np.full(100, -0.3), np.zeros(100)], axis=1)
    decoded = decode(encode(channels, 16000, "WAV", "FLOAT"), 16000)
    np.testing.assert_allclose(decoded.waveform, np.full(100, 0.2), atol=1e-6)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_an_offset_and_a_duration_cut_out_that_part(container):
    ramp = np.linspace(-0.9, 0.9, 16000, dtype=np.float32)
    data = encode(ramp, 16000, container, "PCM_16")
    part = decode(data, 16000, offset_s=0.25, duration_s=0.5).waveform
    np.testing.assert_allclose(part, ramp[4000:12000], atol=1e-4)
    rest = decode(data, 16000, offset_s=0.75, duration_s=9.0).waveform
    np.testing.assert_allclose(rest, ramp[12000:], atol=1e-4)
    assert reason_of(data, offset_s=1.0) == "empty"


@pytest.mark.parametrize(
    "arguments",
    [{"offset_s": -1.0}, {"offset_s": float("nan")}, {"duration_s": 0.0}, {"duration_s": -2.0}],
)
def test_an_impossible_part_is_a_bad_row(arguments):
    assert reason_of(encode(tone(440, 16000), 16000, "WAV"), **arguments) == "bad_row"


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_long_clip_read_in_blocks_is_the_clip_read_at_once(monkeypatch, rate):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (rate, 2))
    data = encode(noise, rate, "WAV", "FLOAT")
    at_once = decode(data, 16000).waveform
    monkeypatch.setattr(decode_module, "_BLOCK_SAMPLES", 1000)
    np.testing.assert_array_equal(decode(data, 16000).waveform, at_once)


def test_a_flac_file_that_does_not_state_its_length_is_read_to_its_end():
    data = bytearray(encode(tone(440, 16000), 16000, "FLAC"))
    _set_flac_total_samples(data, 0)
    np.testing.assert_allclose(decode(bytes(data), 16000).waveform, tone(440, 16000), atol=1e-4)


def test_a_forged_flac_length_costs_no_memory():
    data = bytearray(encode(tone(440, 16000), 16000, "FLAC"))
    _set_flac_total_samples(data, (1 << 36) - 1)
    try:
        waveform = decode(bytes(data), 16000).waveform
    except ClipError as error:
        assert error.reason == "unreadable"
    else:
        np.testing.assert_allclose(waveform, tone(440, 16000), atol=1e-4)


def _set_flac_total_samples(data: bytearray, total: int) -> None:
    """STREAMINFO begins at byte 8; its 36 bits of total samples end at byte 26 (RFC 9639, 8.2)."""
    data[21] = (data[21] & 0xF0) | (total >> 32)
    data[22:26] = (total & 0xFFFFFFFF).to_bytes(4, "big")


def test_hours_of_silence_in_a_small_file_are_too_long():
    data = encode(np.zeros(round((MAX_DURATION_S + 1) * 4000), np.int16), 4000, "FLAC")
    assert len(data) < 200_000
    assert reason_of(data) == "too_long"
    assert len(decode(data, 4000, offset_s=500.0, duration_s=1.0).waveform) == 4000
    assert len(decode(data, 4000, duration_s=MAX_DURATION_S).waveform) == MAX_DURATION_S * 4000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_non_finite_samples_are_refused(bad):
    samples = tone(440, 16000)
    samples[77] = bad
    assert reason_of(encode(samples, 16000, "WAV", "FLOAT")) == "non_finite"


def test_no_bytes_and_no_samples_are_empty():
    assert reason_of(b"") == "empty"
    assert reason_of(encode(np.zeros(0), 16000, "WAV")) == "empty"


def test_what_is_no_audio_is_unsupported():
    random = np.random.default_rng(0).bytes(4000)
    for data in (b"just text, nothing more", random, b"\xff\xeb\x50\x80" * 50, b"RIFF1234AVI "):
        assert not is_supported(data)
        assert reason_of(data) == "unsupported"
    assert reason_of(encode(tone(440, 16000), 2_000_000, "WAV")) == "unsupported"


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_damaged_files_are_decoded_or_refused_never_worse(container):
    whole = encode(tone(440, 16000), 16000, container)
    rng = np.random.default_rng(3)
    damaged = [whole[:n] for n in (4, 12, 20, 43, 44, 45, 100, len(whole) // 2, len(whole) - 1)]
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 8):
            data[at] = rng.integers(256)
        damaged.append(bytes(data))
    damaged.append(whole[:4] + rng.bytes(2000))
    for data in damaged:
        try:
            waveform = decode(data, 16000).waveform
        except ClipError as error:
            assert error.reason in REJECT_REASONS
        else:
            assert len(waveform) > 0
            assert np.isfinite(waveform).all()


def test_libsndfile_says_why_a_file_is_unreadable():
    with pytest.raises(ClipError, match=r"^unreadable: "):
        decode(encode(tone(440, 16000), 16000, "WAV")[:40], 16000)


def test_a_spoken_sentence_as_wav_flac_and_mp3():
    sentence = from_pcm16(to_pcm16(say(SENTENCES[0], voices(1, seed=5)[0])))
    by_format = {
        container: decode(encode(sentence[:, None], 16000, container), 16000).waveform
        for container in ("WAV", "FLAC", "MP3")
    }
    np.testing.assert_allclose(by_format["WAV"], sentence, atol=1e-6)
    np.testing.assert_allclose(by_format["FLAC"], by_format["WAV"], atol=1e-6)
    assert correlation(by_format["WAV"], by_format["MP3"]) > 0.99


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Of magnitude spectra: an encoder's delay does not count."""
    return np.corrcoef(*(np.abs(np.fft.rfft(clip, 1 << 18)) for clip in (one, other)))[0, 1]


def test_the_same_recorded_sentence_as_wav_flac_and_mp3(shared_data: Path):
    clips: dict[str, dict[str, np.ndarray]] = {}
    for path in sorted((shared_data / "ljspeech" / "clips").iterdir()):
        waveform = decode(path.read_bytes(), 16000).waveform
        clips.setdefault(path.stem, {})[path.suffix] = waveform
    for by_format in clips.values():
        np.testing.assert_allclose(by_format[".flac"], by_format[".wav"], atol=1e-6)
        assert correlation(by_format[".wav"], by_format[".mp3"]) > 0.99
