"""Formats are told by their first bytes; what is not on the lists reaches no decoder."""

import io
import struct

import numpy as np
import pytest
import soundfile

from components.audio.decode import decode
from components.audio.formats import Format, is_supported, recognize
from schemas.errors import ClipError

RATE = 16000
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 4000)


def encode(form: str, subtype: str, endian: str = "FILE") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, NOISE, RATE, format=form, subtype=subtype, endian=endian)
    return file.getvalue()


def rejected(data: bytes) -> ClipError:
    """What both the list and the decoder answer."""
    with pytest.raises(ClipError) as raised:
        recognize(data)
    with pytest.raises(ClipError) as decoded:
        decode(data, RATE)
    assert (decoded.value.reason, decoded.value.detail) == (
        raised.value.reason,
        raised.value.detail,
    )
    return raised.value


@pytest.mark.parametrize(
    ("form", "subtype", "endian", "expected"),
    [
        *(
            ("WAV", s, e, ("wav", "pcm"))
            for s in ("PCM_16", "PCM_24", "PCM_32")
            for e in ("FILE", "BIG")
        ),
        ("WAV", "PCM_U8", "FILE", ("wav", "pcm")),
        ("WAV", "FLOAT", "BIG", ("wav", "float")),
        ("WAV", "DOUBLE", "FILE", ("wav", "float")),
        ("WAV", "ULAW", "FILE", ("wav", "ulaw")),
        ("WAV", "ALAW", "FILE", ("wav", "alaw")),
        ("WAVEX", "PCM_24", "FILE", ("wav", "pcm")),
        ("WAVEX", "FLOAT", "FILE", ("wav", "float")),
        ("WAVEX", "ULAW", "FILE", ("wav", "ulaw")),
        ("RF64", "PCM_16", "FILE", ("wav", "pcm")),
        ("WAV", "MS_ADPCM", "FILE", ("wav", "adpcm")),
        ("WAV", "IMA_ADPCM", "FILE", ("wav", "adpcm")),
        ("WAV", "G721_32", "FILE", ("wav", "adpcm")),
        ("WAV", "GSM610", "FILE", ("wav", "gsm")),
        ("AIFF", "IMA_ADPCM", "FILE", ("aiff", "adpcm")),
        ("AIFF", "GSM610", "FILE", ("aiff", "gsm")),
        ("AU", "G721_32", "FILE", ("au", "adpcm")),
        ("AIFF", "PCM_16", "FILE", ("aiff", "pcm")),
        ("AIFF", "PCM_24", "LITTLE", ("aiff", "pcm")),
        ("AIFF", "FLOAT", "FILE", ("aiff", "float")),
        ("AIFF", "ULAW", "FILE", ("aiff", "ulaw")),
        ("AU", "PCM_16", "FILE", ("au", "pcm")),
        ("AU", "ULAW", "FILE", ("au", "ulaw")),
        ("AU", "FLOAT", "FILE", ("au", "float")),
        ("NIST", "PCM_16", "FILE", ("nist", "pcm")),
        ("FLAC", "PCM_16", "FILE", ("flac", "flac")),
        ("OGG", "VORBIS", "FILE", ("ogg", "vorbis")),
        ("OGG", "OPUS", "FILE", ("ogg", "opus")),
        ("MP3", "MPEG_LAYER_III", "FILE", ("mp3", "mp3")),
    ],
)
def test_what_is_on_the_lists_is_recognized_and_decoded(form, subtype, endian, expected):
    data = encode(form, subtype, endian)
    assert recognize(data) == Format(*expected)
    assert is_supported(data[:64])
    assert len(decode(data, RATE).waveform) == pytest.approx(len(NOISE), abs=1200)


@pytest.mark.parametrize(
    ("form", "subtype", "words"),
    [
        ("WAV", "NMS_ADPCM_16", "a WAV file with the codec 0x0038"),
        ("AIFF", "DWVW_16", "an AIFC file with the codec b'DWVW'"),
    ],
)
def test_a_codec_that_is_not_listed_is_refused_by_name(form, subtype, words):
    error = rejected(encode(form, subtype))
    assert (error.reason, error.detail) == ("unsupported", words)


@pytest.mark.parametrize("form", ["CAF", "W64", "VOC", "MAT5", "SVX", "HTK", "PVF", "IRCAM"])
def test_a_container_that_is_not_listed_is_refused(form):
    data = encode(form, "PCM_16")
    assert rejected(data).reason == "unsupported"
    assert not is_supported(data[:64])


def test_the_format_chunk_is_found_behind_others():
    data = encode("WAV", "ULAW")
    junk = b"JUNK" + struct.pack("<I", 5) + b"12345\0"
    moved = data[:12] + junk + data[12:]
    assert recognize(moved) == Format("wav", "ulaw")


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\x24\x00\x00\x00WAVE",
        b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00",
        b"RIFF\x24\x00\x00\x00WAVE" + (b"JUNK" + struct.pack("<I", 0)) * 5000,
        b"RIFF\x24\x00\x00\x00WAVEJUNK\xff\xff\xff\xff",
        b"FORM\x00\x00\x00\x24AIFC",
    ],
)
def test_a_header_without_its_codec_is_unreadable(data):
    assert rejected(data).reason == "unreadable"


def test_integers_wider_than_any_decoder_reads():
    data = bytearray(encode("WAV", "PCM_16"))
    struct.pack_into("<H", data, 34, 64)
    assert rejected(bytes(data)).detail == "a WAV file with integers of 64 bits"


def test_ogg_without_a_known_codec():
    page = b"OggS\0\x02" + bytes(20) + b"\x01\x50" + b"Speex   1.2" + bytes(100)
    assert "b'Speex   '" in rejected(page).detail
    assert rejected(b"OggS").reason == "unsupported"


def test_shortened_sphere_is_refused():
    header = b"NIST_1A\n   1024\nsample_coding -s26 pcm,embedded-shorten-v2.00\nend_head\n"
    assert "pcm,embedded-shorten" in rejected(header.ljust(1024)).detail
