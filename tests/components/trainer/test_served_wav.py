"""WAV files are read in TensorFlow as soundfile and soxr read them."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile
import scipy.signal
import soundfile
import soxr
import tensorflow as tf

from components.audio.decode import decode as decode_by_ingest
from components.trainer.served_resample import USUAL_RATES_HZ, resample
from components.trainer.served_wav import decode_wav

RATE = 16000

Decode = Callable[[bytes], tuple[np.ndarray, str]]


@pytest.fixture(scope="module")
def decode() -> Decode:
    graph = tf.function(
        lambda audio: decode_wav(audio, RATE),
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )

    def decode(file: bytes) -> tuple[np.ndarray, str]:
        waveform, error = graph(tf.constant(file))
        return waveform.numpy(), error.numpy().decode()

    return decode


def sweep(rate: int, highest_hz: float = 3000.0) -> np.ndarray:
    """A second of a rising tone that swells and fades, in [-1, 1]."""
    time_s = np.arange(rate) / rate
    return 0.7 * scipy.signal.chirp(time_s, 50.0, 1.0, highest_hz) * np.sin(np.pi * time_s) ** 2


def written(samples: np.ndarray, rate: int, **kind: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **{"format": "WAV", **kind})
    return file.getvalue()


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_every_kind_of_sample_and_of_channels(
    decode: Decode, container: str, subtype: str, channels: int
) -> None:
    parts = np.linspace(1, 0.2, channels)
    file = written(sweep(RATE)[:, None] * parts, RATE, format=container, subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(file), dtype="float32", always_2d=True)
    waveform, error = decode(file)
    assert error == ""
    np.testing.assert_allclose(waveform, expected.mean(axis=1), atol=2e-7)


@pytest.mark.parametrize("rate", [*sorted({*USUAL_RATES_HZ} - {RATE}), 16001, 7350])
def test_every_rate_is_resampled_as_soxr_does(decode: Decode, rate: int) -> None:
    highest_hz = 0.4 * min(rate, RATE)
    samples = sweep(rate, highest_hz).astype(np.float32)
    waveform, error = decode(written(samples, rate, subtype="FLOAT"))
    assert error == ""
    near = 3e-6 if rate in USUAL_RATES_HZ else 2e-4
    np.testing.assert_allclose(waveform, soxr.resample(samples, rate, RATE), atol=near)
    # And the closed form: the same sweep, sampled at the other rate.
    np.testing.assert_allclose(waveform, sweep(RATE, highest_hz), atol=3e-4)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_noise_up_to_the_edge_of_the_band_is_what_soxr_makes_of_it(
    decode: Decode, rate: int
) -> None:
    samples = np.pad(np.random.default_rng(0).normal(0, 0.1, rate), rate // 10)
    samples = samples.astype(np.float32)
    waveform, _ = decode(written(samples, rate, subtype="FLOAT"))
    np.testing.assert_allclose(waveform, soxr.resample(samples, rate, RATE), atol=3e-6)


def test_what_is_above_the_lower_nyquist_frequency_is_gone_and_ten_blocks_have_no_seams() -> None:
    time_s = np.arange(48000 * 10) / 48000
    for hertz, level in ((8100.0, 0.0), (15000.0, 0.0), (6000.0, 1.0)):
        tone = np.sin(2 * np.pi * hertz * time_s).astype(np.float32)
        resampled = resample(tf.constant(tone), tf.constant(48000), RATE).numpy()[800:-800]
        expected = level * np.sin(2 * np.pi * hertz * np.arange(800, 160000 - 800) / RATE)
        np.testing.assert_allclose(resampled, expected, atol=2e-5)


def test_a_length_that_no_whole_samples_fit_is_rounded() -> None:
    for rate, samples in ((44100, 1), (44100, 7), (22050, 999), (8001, 8001), (192000, 7)):
        for model_rate in (8000, 16000):
            silence = np.zeros(samples, np.float32)
            found = resample(tf.constant(silence), tf.constant(rate), model_rate)
            assert found.shape == soxr.resample(silence, rate, model_rate).shape


def riff(*chunks: tuple[bytes, bytes, int | None], name: bytes = b"RIFF") -> bytes:
    """Chunks by name and content, with a size of their own where one is given."""
    body = b"".join(
        label
        + struct.pack("<I", len(content) if size is None else size)
        + content
        + bytes(len(content) % 2)
        for label, content, size in chunks
    )
    return name + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + body


def plain_format(tag: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    frame = channels * ((bits + 7) // 8)
    return struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits)


SAMPLES = np.arange(-50, 50, dtype="<i2") * 300
FORMAT = (b"fmt ", plain_format(), None)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0, None])
def test_sizes_that_were_never_filled_in_mean_to_the_end(decode: Decode, size: int | None) -> None:
    around = [(b"LIST", b"INFOISFT\x0d\0\0\0Lavf58.29.100\0", None), (b"odd ", b"abc", None)]
    waveform, error = decode(riff(FORMAT, *around, (b"data", SAMPLES.tobytes(), size)))
    assert error == ""
    np.testing.assert_array_equal(waveform, SAMPLES / np.float32(32768))


def test_chunks_after_the_samples_are_no_samples_and_a_torn_frame_is_none(decode: Decode) -> None:
    after = (b"LIST", b"INFO", None)
    waveform, _ = decode(riff(FORMAT, (b"data", SAMPLES.tobytes(), None), after))
    assert len(waveform) == len(SAMPLES)
    waveform, _ = decode(riff(FORMAT, (b"data", SAMPLES.tobytes(), None))[:-1])
    assert len(waveform) == len(SAMPLES) - 1


def test_scipy_writes_what_is_read(decode: Decode) -> None:
    for dtype in (np.uint8, np.int16, np.int32, np.float32, np.float64):
        file = io.BytesIO()
        scale = {"u": 127, "i": np.iinfo(np.int16).max, "f": 1}[np.dtype(dtype).kind]
        samples = sweep(RATE) * scale + (128 if dtype is np.uint8 else 0)
        scipy.io.wavfile.write(file, RATE, samples.astype(dtype))
        expected, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
        np.testing.assert_array_equal(decode(file.getvalue())[0], expected)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "empty"),
        (b"RIFF", "unsupported"),
        (b"OggS" + bytes(100), "unsupported"),
        (riff(FORMAT), "unreadable"),
        (riff((b"data", bytes(100), None)), "unreadable"),
        (riff((b"fmt ", b"\1\0", None), (b"data", bytes(100), None)), "unreadable"),
        (riff((b"fmt ", plain_format(tag=0x55), None), (b"data", bytes(9), None)), "unsupported"),
        (riff((b"fmt ", plain_format(bits=64), None), (b"data", bytes(9), None)), "unsupported"),
        (riff((b"fmt ", plain_format(rate=10), None), (b"data", bytes(9), None)), "unsupported"),
        (riff((b"fmt ", plain_format(channels=0), None), (b"data", bytes(9), None)), "unreadable"),
        (riff(*[(b"junk", b"", None)] * 1001, FORMAT, (b"data", bytes(9), None)), "unreadable"),
    ],
)
def test_a_file_that_cannot_be_read_has_a_reason(decode: Decode, file: bytes, reason: str) -> None:
    waveform, error = decode(file)
    assert (len(waveform), error) == (0, reason)


def test_no_bytes_make_it_raise(decode: Decode) -> None:
    rng = np.random.default_rng(0)
    whole = riff(FORMAT, (b"LIST", b"INFO", None), (b"data", SAMPLES.tobytes(), None))
    for _ in range(300):
        torn = bytearray(whole[: rng.integers(0, len(whole))])
        for place in rng.integers(0, max(1, len(torn)), 3):
            torn[place : place + 1] = rng.bytes(1)
        waveform, error = decode(bytes(torn))
        assert not (len(waveform) and error)


@pytest.mark.parametrize("name", ["serving-wav/ext16.wav", "serving-wav/stream_ffffffff.wav"])
def test_what_ffmpeg_writes(decode: Decode, shared_data: Path, name: str) -> None:
    file = shared_data.parent / "cases" / name
    if not file.exists():
        pytest.skip(f"{name} is not beside this checkout (../shared/cases)")
    waveform, error = decode(file.read_bytes())
    assert error == ""
    assert len(waveform) == 2 * 2384


def test_a_file_that_is_cut_is_refused_unless_it_is_to_be_kept(decode: Decode) -> None:
    cut = written(sweep(RATE), RATE, subtype="PCM_16")[: RATE + 44]
    assert decode(cut)[1] == "truncated"
    whole = written(sweep(RATE), RATE, subtype="PCM_24")
    assert decode(whole[:-3])[1] == ""
    waveform, error = decode_wav(tf.constant(cut), RATE, keeps_truncated=True)
    assert (len(waveform), error.numpy()) == (RATE // 2, b"")


@pytest.mark.parametrize("second", [1.0, 0.02, 1e-3, 0.0, -1.0, -0.9, -0.5])
@pytest.mark.parametrize("rest", [[], [0.0], [0.3, 0.0]])
def test_channels_are_mixed_as_ingest_does(
    decode: Decode, second: float, rest: list[float]
) -> None:
    noise = np.random.default_rng(5).normal(0, 0.05, RATE)
    parts = [sweep(RATE), second * sweep(RATE), *(part * noise for part in rest)]
    for subtype in ("PCM_16", "FLOAT"):
        file = written(np.stack(parts, 1), RATE, subtype=subtype)
        waveform, error = decode(file)
        assert error == ""
        np.testing.assert_allclose(waveform, decode_by_ingest(file, RATE).waveform, atol=2e-7)
