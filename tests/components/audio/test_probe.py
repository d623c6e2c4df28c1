"""Headers of files, read in a child process."""

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
    assert (flac, wav) == (Header(1.0, 16000), Header(0.5, 8000))
    assert (empty, gone) == ("empty: the file has no bytes", "No such file or directory")
