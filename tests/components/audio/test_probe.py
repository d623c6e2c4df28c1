"""Headers of files, read in a child process."""

import io
from pathlib import Path

import numpy as np
import soundfile

from components.audio.probe import Header, probe


def test_headers_come_in_order_and_faults_in_words(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), 8000)
    soundfile.write(tmp_path / "b.flac", np.zeros((16000, 2)), 16000)
    (tmp_path / "c.wav").write_bytes(b"")
    names = ("b.flac", "c.wav", "gone.wav", "a.wav")
    flac, empty, gone, wav = probe(str(tmp_path / name) for name in names)
    assert (flac, wav) == (Header(1.0, 16000, 2), Header(0.5, 8000, 1))
    assert (empty, gone) == ("empty: the file has no bytes", "No such file or directory")


def piped_flac() -> bytes:
    """A second that states no length: the total of STREAMINFO ends at byte 26 (RFC 9639, 8.2)."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(file, noise, 16000, format="FLAC")
    data = bytearray(file.getvalue())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def test_a_header_that_says_nothing_or_what_cannot_be_is_not_believed(tmp_path: Path) -> None:
    piped = piped_flac()
    lying = piped[:21] + bytes([piped[21] | 15]) + b"\xff" * 4 + piped[26:]
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000), 16000, format="WAV", subtype="PCM_16")
    wav = file.getvalue()
    sizes = [wav[:40] + size.to_bytes(4, "little") + wav[44:] for size in (0, 0xFFFFFFFF)]
    for number, content in enumerate([piped, lying, *sizes]):
        (tmp_path / str(number)).write_bytes(content)
    found = list(probe(str(tmp_path / str(number)) for number in range(4)))
    assert found == [Header(1.0, 16000, 1)] * 4
