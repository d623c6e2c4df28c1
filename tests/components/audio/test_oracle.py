"""Samples and rate of every file against libsndfile and FFmpeg, which are not us.

What is read is at least what the better of the two reads, and its rate is theirs. Where it is not,
the file stands in a list with the reason, so that a new difference is seen.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from other_decoders import Length, lengths

from components.audio.decode import decode
from components.subprocess_pool import Failure, SubprocessPool
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

RATE = 16000
# Of a codec's delay and padding one of the two cuts more, or less: AAC, MP3, Opus.
SLACK_S = {"mp3": 0.15, "mp4": 0.1, "aac": 0.1, "webm": 0.1, "ogg": 0.01}

# Files that others read and we refuse, or read less of: how their name starts, and why.
REFUSED = {
    "hound/testsamples/nonstandard-01": "one sample of 48 kHz is none of 16 kHz",
    "hound/testsamples/waveformatextensible-24bit-192kHz": "4 samples of 192 kHz are none of 16",
    "hound/testsamples/fuzz": "headers that fuzzing made; FFmpeg gives noise",
    "pocketsphinx/awful": "more than a million Hz is no recording",
    "scipy/test-44100Hz-le-1ch-4bytes-early-eof": "cut; refused as truncated",
    "scipy/test-8000Hz-le-3ch-5S-64bit": "integers wider than 32 bits",
    "flac-test-files/uncommon/02 - increasing number of channels": "what is mono at first is no"
    " clip of two channels; FFmpeg's resampler stops there too",
}
SHORTER = {
    "MP3 MPEG_LAYER_III 8000, joined": "FFmpeg plays the delay and the count of the second",
    **{
        f"OGG VORBIS {rate}, joined": "FFmpeg leaves padding at the end of a stream in a chain"
        for rate in (8000, 16000, 48000)
    },
}


def ours(data: bytes) -> tuple[float, int, str] | str:
    """Seconds, Hz and format; or why it is refused."""
    try:
        clip = decode(data, RATE).checked(Audio())
    except ClipError as error:
        return error.reason
    return len(clip.waveform) / RATE, clip.source_rate_hz, clip.source_format


def reason_for(name: str, reasons: dict[str, str]) -> str | None:
    return next((why for start, why in reasons.items() if name.startswith(start)), None)


def differences(files: dict[str, bytes]) -> list[str]:
    """What others read of files and we do not, unless there is a reason."""
    pool: SubprocessPool[bytes, list[Length]] = SubprocessPool(lengths, 2)
    try:
        answers = list(pool.map(files.values()))
    finally:
        pool.close()
    found: list[str] = []
    for (name, data), others in zip(files.items(), answers, strict=True):
        if not isinstance(others, Failure):  # of FFmpeg, which some of them crash
            found += differs(name, ours(data), others)
    return found


def differs(name: str, found: tuple[float, int, str] | str, others: list[Length]) -> Iterator[str]:
    if isinstance(found, str):
        if others and reason_for(name, REFUSED) is None:
            yield f"{name}: refused as {found}; others read {others}"
        return
    seconds, rate_hz, container = found
    for samples, other_hz in others:
        slack_s = SLACK_S.get(container, 1.5 / min(rate_hz, RATE))
        if seconds < samples / other_hz - slack_s and reason_for(name, SHORTER) is None:
            yield f"{name}: {seconds:.3f} s of {samples / other_hz:.3f} s"
    if others and all(other_hz != rate_hz for _, other_hz in others):
        yield f"{name}: {rate_hz} Hz, not one of {[hz for _, hz in others]}"


def made_files() -> Iterator[tuple[str, bytes]]:
    noise = np.random.default_rng(0).normal(0, 0.05, 2 * RATE)
    noise += 0.2 * np.sin(np.arange(2 * RATE) * 0.1)
    kinds = {
        "WAV": ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
        "wav": ("MS_ADPCM", "IMA_ADPCM", "GSM610", "G721_32"),
        "WAVEX": ("PCM_16", "PCM_24"),
        "RF64": ("PCM_16",),
        "AIFF": ("PCM_16", "PCM_24", "FLOAT", "ULAW", "IMA_ADPCM", "GSM610"),
        "AU": ("PCM_16", "ULAW", "FLOAT", "G721_32"),
        "NIST": ("PCM_16",),
        "FLAC": ("PCM_S8", "PCM_16", "PCM_24"),
        "OGG": ("VORBIS", "OPUS"),
        "MP3": ("MPEG_LAYER_III",),
    }
    for container, subtypes in kinds.items():
        for subtype in subtypes:
            for rate in (8000, 16000, 48000):
                file = io.BytesIO()
                soundfile.write(file, noise, rate, format=container.upper(), subtype=subtype)
                data = file.getvalue()
                name = f"{container} {subtype} {rate}"
                yield name, data
                yield f"{name}, joined with itself", data + data
                yield f"{name}, cut", data[: 2 * len(data) // 3]
                if container == "WAV":
                    at = data.index(b"data") + 4
                    for size in (0, 0xFFFFFFFF):
                        yield (
                            f"{name}, size {size}",
                            b"".join((data[:at], struct.pack("<I", size), data[at + 4 :])),
                        )


# Where two files in one are not two recordings.
JOINED = {
    "NIST": "the header of the second is read as sound by both",
    "AU": "of a size that is not stated all is sound, the second header too, and so it is here",
    "WAV": "the first says how long it is; libsndfile refuses the file, FFmpeg reads the first",
    "wav": "the first says how long it is",
    "RF64": "the first says how long it is",
    "AIFF": "the first says how long it is",
}


def test_of_the_files_that_are_made_here_nothing_is_lost() -> None:
    files = dict(made_files())
    cut = {name: ours(data) for name, data in files.items() if name.endswith("cut")}
    # soundfile does not state the size of an AU file.
    silent = [name for name, found in cut.items() if found != "truncated" and "AU" not in name]
    assert silent == []
    others = {
        name: data
        for name, data in files.items()
        if name not in cut and not ("joined" in name and reason_for(name, JOINED))
    }
    assert differences(others) == []


def test_of_odd_and_broken_files_nothing_is_lost_without_a_reason(shared_data: Path) -> None:
    hard = shared_data / "hard"
    files = {str(path.relative_to(hard)): path for path in sorted(hard.rglob("*"))}
    audio = {
        name: path.read_bytes()
        for name, path in files.items()
        if path.is_file() and path.suffix not in (".txt", ".csv", ".md")
    }
    assert differences(audio) == []
