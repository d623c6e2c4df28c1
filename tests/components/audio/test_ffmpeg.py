import io
import sys

import numpy as np
import pytest

from components.audio.decode import decode
from components.audio.formats import Format, is_supported, recognize
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

av = pytest.importorskip("av", reason="needs the extra auricle[ffmpeg]")

RATE = 48000
KINDS = {
    "m4a": ("mp4", "ipod", "aac"),
    "alac": ("mp4", "ipod", "alac"),
    "aac": ("aac", "adts", "aac"),
    "webm": ("webm", "webm", "libopus"),
}


def chirp(seconds=2.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 * t + 400 * t * t))).astype(np.float32)


def encode(samples, muxer, codec, rate=RATE, channels=1):
    file = io.BytesIO()
    with av.open(file, "w", format=muxer) as container:
        layout = "mono" if channels == 1 else "stereo"
        stream = container.add_stream(codec, rate=rate, layout=layout)
        pcm = np.repeat(np.round(samples * 32767).astype(np.int16), channels)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_sound_is_the_one_that_was_encoded(kind, channels):
    container, muxer, codec = KINDS[kind]
    samples = chirp()
    data = encode(samples, muxer, codec, channels=channels)
    assert is_supported(data[:64])
    assert recognize(data) == Format(container, container)
    clip = decode(data, RATE)
    found = (clip.source_rate_hz, clip.source_channels, clip.source_format)
    assert found == (RATE, channels, container)
    # Encoders add up to two frames of their own; what is between is the same sound.
    assert len(samples) <= len(clip.waveform) <= len(samples) + 4096
    size = 1 << 18
    spectrum = np.fft.rfft(clip.waveform, size) * np.conj(np.fft.rfft(samples, size))
    peak = np.fft.irfft(spectrum).max() / (samples @ samples)
    assert peak == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset_s", [0.01, 0.5, 1.5])
def test_a_part_is_the_part_of_the_whole(kind, offset_s):
    _, muxer, codec = KINDS[kind]
    data = encode(chirp(), muxer, codec)
    whole = decode(data, RATE).waveform
    part = decode(data, RATE, offset_s, 0.25).waveform
    start = round(offset_s * RATE)
    np.testing.assert_allclose(part, whole[start : start + len(part)], atol=2e-3)
    assert len(part) == round(0.25 * RATE)


def test_past_the_end_is_empty():
    _, muxer, codec = KINDS["m4a"]
    for offset_s in (2.5, 1e6):
        with pytest.raises(ClipError) as refused:
            decode(encode(chirp(), muxer, codec), RATE, offset_s)
        assert refused.value.reason == "empty"


def test_a_codec_that_is_not_on_the_list_is_unsupported():
    data = encode(chirp(), "matroska", "ac3")
    with pytest.raises(ClipError, match=r"^unsupported: webm .* ac3"):
        decode(data, RATE)


def test_without_pyav_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    data = encode(chirp(), *KINDS["m4a"][1:])
    with pytest.raises(ClipError, match=r"'auricle\[ffmpeg\]'"):
        decode(data, RATE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_a_file_that_is_cut_loses_nothing_in_silence(kind, share):
    _, muxer, codec = KINDS[kind]
    data = encode(chirp(), muxer, codec)
    with pytest.raises(ClipError) as refused:
        decode(data[: round(share * len(data))], RATE).checked(Audio())
    # FFmpeg finds nothing in an MP4 file without the index at its end, and stops at half a frame.
    assert refused.value.reason in ("truncated", "unreadable")
