"""A recording of which less is there than it says is never a shorter clip without a word."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio.decode import Decoded, decode
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

RATE = 16000
SECONDS = 3
NOISE = (
    np.sin(np.arange(SECONDS * RATE) * 0.17) * np.sin(np.arange(SECONDS * RATE) * 3e-4)
    + np.random.default_rng(0).normal(0, 0.05, SECONDS * RATE)
) * 0.3
PLAIN = [
    *(("WAV", subtype) for subtype in ("PCM_16", "PCM_24", "FLOAT", "ULAW", "MS_ADPCM")),
    *(("WAVEX", "PCM_24"), ("RF64", "PCM_16"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT")),
    *(("AU", "PCM_16"), ("NIST", "PCM_16")),
]
PACKED = [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]
KEEP = Audio(truncated="keep")


def encode(container: str, subtype: str, samples: np.ndarray = NOISE, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, subtype=subtype)
    content = file.getvalue()
    if container == "AU":  # soundfile does not know the size while it writes the header
        content = content[:8] + struct.pack(">I", len(content) - 24) + content[12:]
    return content


def refused(data: bytes, **part: float) -> str:
    """The reason for which the settings that are the default refuse `data`."""
    with pytest.raises(ClipError) as caught:
        decode(data, RATE, **part).checked(Audio())
    return caught.value.reason


def kept(data: bytes, **part: float) -> Decoded:
    return decode(data, RATE, **part).checked(KEEP)


@pytest.mark.parametrize(("container", "subtype"), PLAIN + PACKED)
def test_half_a_file_is_a_reject_or_a_clip_that_says_so(container: str, subtype: str) -> None:
    whole = encode(container, subtype)
    decoded = decode(whole, RATE).checked(Audio())
    assert (decoded.missing, decoded.missing_s) == ("", 0.0)
    half = whole[: len(whole) // 2]
    assert refused(half) == "truncated"
    clip = kept(half)
    assert 0.2 * SECONDS < len(clip.waveform) / RATE < 0.7 * SECONDS
    assert clip.missing
    if container != "OGG":  # a page does not say how many follow
        there_s = len(clip.waveform) / RATE
        assert clip.missing_s == pytest.approx(len(decoded.waveform) / RATE - there_s, abs=0.15)
    assert clip.missing_s > 0


@pytest.mark.parametrize(("container", "subtype"), PLAIN + PACKED)
def test_wherever_a_file_is_cut_nothing_is_lost_in_silence(container: str, subtype: str) -> None:
    whole = encode(container, subtype)
    all_s = len(decode(whole, RATE).waveform) / RATE
    frame_s = {"MP3": 2 * 1152 / RATE}.get(container, 0.04)
    for size in np.linspace(60, len(whole) - 1, 40).astype(int):
        try:
            clip = decode(whole[:size], RATE)
        except ClipError as error:
            assert error.reason in ("truncated", "unreadable", "unsupported", "empty")
        else:
            assert clip.missing or len(clip.waveform) / RATE >= all_s - frame_s


def test_less_than_a_frame_is_no_loss() -> None:
    whole = encode("WAV", "PCM_24")
    assert not decode(whole[:-3], RATE).missing
    assert decode(whole[:-7], RATE).missing


def test_what_a_cut_file_still_has_is_no_reject() -> None:
    for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")):
        half = encode(container, subtype)
        half = half[: len(half) // 2]
        part = decode(half, RATE, 0.25, 0.5).checked(Audio())
        assert len(part.waveform) == RATE // 2
        assert refused(half, offset_s=1.0, duration_s=1.5) == "truncated"
        assert refused(half, offset_s=2.5) == "truncated"


@pytest.mark.parametrize("too_long_s", [0.001, 0.01, 0.02])
def test_a_duration_may_be_rounded(too_long_s: float) -> None:
    data = encode("WAV", "PCM_16")
    assert not decode(data, RATE, 1.0, SECONDS - 1 + too_long_s).checked(Audio()).missing


def test_a_duration_beyond_the_file_is_truncated_with_both_numbers() -> None:
    for container, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")):
        data = encode(container, subtype)
        assert refused(data, duration_s=SECONDS + 0.5) == "truncated"
        clip = kept(data, offset_s=1.0, duration_s=4.0)
        assert clip.missing_s == pytest.approx(2.0, abs=0.001)
        assert "2.000" in clip.missing
        assert "4 s" in clip.missing


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_hole_in_an_ogg_file(subtype: str) -> None:
    data = bytearray(encode("OGG", subtype))
    data[len(data) // 3 : 2 * len(data) // 3] = bytes(2 * len(data) // 3 - len(data) // 3)
    assert refused(bytes(data)) == "truncated"
    # What follows a hole comes too early: no part of it is where it is asked for.
    assert refused(bytes(data), duration_s=0.1) in ("truncated", "unreadable")


def test_a_hole_in_an_mp3_file() -> None:
    data = bytearray(encode("MP3", "MPEG_LAYER_III"))
    data[2000:3000] = bytes(1000)
    assert refused(bytes(data)) == "truncated"


def test_an_mp3_that_states_no_length_and_ends_within_a_frame() -> None:
    whole = encode("MP3", "MPEG_LAYER_III")
    first = whole.index(b"\xff\xf3", 4)  # the frame before it holds nothing but the count
    assert not decode(whole[first:], RATE).missing
    assert refused(whole[first:-30]) == "truncated"


# FLAC: STREAMINFO begins at byte 8; its 36 bits of total samples end at byte 26 (RFC 9639, 8.2).
def with_total(data: bytes, total: int) -> bytes:
    first = bytes([data[21] & 0xF0 | total >> 32])
    return data[:21] + first + struct.pack(">I", total & 0xFFFFFFFF) + data[26:]


@pytest.mark.parametrize("total", [0, 1, 4096, 20000, SECONDS * RATE - 1])
def test_a_flac_that_states_too_little_or_nothing_is_read_to_its_end(total: int) -> None:
    data = encode("FLAC", "PCM_16")
    clip = decode(with_total(data, total), RATE).checked(Audio())
    np.testing.assert_array_equal(clip.waveform, decode(data, RATE).waveform)


@pytest.mark.parametrize("total", [SECONDS * RATE + 2, 1 << 20, (1 << 36) - 1])
def test_a_flac_that_states_too_much_is_truncated(total: int) -> None:
    data = encode("FLAC", "PCM_16")
    assert refused(with_total(data, total)) == "truncated"
    clip = kept(with_total(data, total))
    np.testing.assert_array_equal(clip.waveform, decode(data, RATE).waveform)
    assert clip.missing_s == pytest.approx(total / RATE - SECONDS)


def test_a_flac_whose_last_frame_is_cut_keeps_the_others() -> None:
    data = encode("FLAC", "PCM_16")
    assert refused(data[:-20]) == "truncated"
    clip = kept(data[:-20])
    whole = decode(data, RATE).waveform
    np.testing.assert_array_equal(clip.waveform, whole[: len(clip.waveform)])
    assert len(clip.waveform) % 4096 == 0
    assert clip.missing_s == pytest.approx(SECONDS - len(clip.waveform) / RATE)


def test_a_flac_whose_rate_changes_is_refused_with_both_rates() -> None:
    slow, fast = encode("FLAC", "PCM_16", NOISE[:4096]), encode("FLAC", "PCM_16", rate=32000)
    # The frames of another file, numbered on: both are of 4096 samples a frame.
    frames = bytearray(fast[fast.index(b"\xff\xf8") :])
    follows = frames.index(b"\xff\xf8", 2)
    joined = with_total(slow, 0) + renumbered(bytes(frames[follows:]))
    with pytest.raises(ClipError, match="16000 to 32000 Hz") as caught:
        decode(joined, RATE)
    assert caught.value.reason == "unreadable"


def renumbered(frames: bytes) -> bytes:
    """Frames from number 1 on, as they are: their own numbers go on already."""
    assert frames[4] == 1
    return frames


@pytest.mark.parametrize(("container", "subtype"), PACKED)
def test_files_that_were_joined_are_read_to_the_last(container: str, subtype: str) -> None:
    first, second = (encode(container, subtype, part) for part in (NOISE[:30000], NOISE[30000:]))
    joined = decode(first + second, RATE).checked(Audio())
    parts = [decode(each, RATE).waveform for each in (first, second)]
    assert len(joined.waveform) == sum(map(len, parts))
    np.testing.assert_array_equal(joined.waveform, np.concatenate(parts))
    cut = first + second[: len(second) // 2]
    assert refused(cut) == "truncated"


def test_recordings_of_two_rates_in_one_file_are_refused() -> None:
    for container, subtype in (("MP3", "MPEG_LAYER_III"), ("OGG", "VORBIS"), ("FLAC", "PCM_16")):
        one, other = encode(container, subtype), encode(container, subtype, rate=8000)
        with pytest.raises(ClipError, match=r"16000 Hz.*8000 Hz|8000 Hz.*16000 Hz") as caught:
            decode(one + other, RATE)
        assert caught.value.reason == "unreadable"


# WAV: sizes that say nothing.
@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_wav_that_was_piped_or_whose_recorder_was_killed(size: int, subtype: str) -> None:
    data = encode("WAV", subtype)
    at = data.index(b"data") + 4
    piped = data[:4] + struct.pack("<I", size) + data[8:at] + struct.pack("<I", size)
    piped += data[at + 4 :]
    if subtype != "PCM_16":  # whose chunks beside the samples are no samples
        piped = piped[: at + 4 + len(NOISE) * (3 if subtype == "PCM_24" else 4)]
    clip = decode(piped, RATE).checked(Audio())
    np.testing.assert_array_equal(clip.waveform, decode(data, RATE).waveform)


def test_a_wav_without_sound_has_none_though_chunks_follow() -> None:
    data = encode("WAV", "PCM_16", NOISE[:0])
    assert refused(data) == "empty"
    assert refused(data + b"LIST\x04\0\0\0INFO") == "empty"


def test_a_size_that_counts_the_header_too_is_no_loss() -> None:
    data = encode("WAV", "PCM_16")
    for size in (len(data), len(data) - 8):
        stated = data[:40] + struct.pack("<I", size) + data[44:]
        assert not decode(stated, RATE).missing


def test_the_cases_beside_this_checkout(shared_data: Path) -> None:
    cases = shared_data.parent / "cases"
    if not cases.is_dir():
        pytest.skip("no cases beside this checkout")
    expected = {"apetag": 28608, "concat": 57216, "leading_zeros": 28608, "trunc_head": 25344}
    for name, samples in (expected | {"xing_frames1": 28608}).items():
        clip = decode((cases / "mp3" / f"mp3_{name}.mp3").read_bytes(), RATE).checked(Audio())
        assert len(clip.waveform) == samples
    killed = (cases / "wav-size-zero" / "stream_zero.wav").read_bytes()
    assert len(decode(killed, 8000).checked(Audio()).waveform) == 2384
