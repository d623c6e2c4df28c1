import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from unprivileged import permissions_count

from components.audio.source_file import Recording
from schemas.errors import AuricleError, ClipError

RATE = 16000


def ramp(path, samples=10 * RATE):
    """Every sample different, exactly representable in 16 bits."""
    soundfile.write(path, (np.arange(samples) % 65536 - 32768).astype(np.int16), RATE)
    return path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(params=["small", "large"])
def size(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr("components.audio.source_file._MOST_IN_MEMORY", 1000)
    return request.param


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_any_part_in_any_order_is_that_part(tmp_path, size, suffix):
    path = tmp_path / f"ramp.{suffix}"
    t = np.arange(10 * RATE) / RATE
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * (200 * t + 50 * t * t)), RATE)
    recording = Recording(str(path), digest(path))
    whole = recording.decode(RATE, 0.0, None).waveform
    for offset_s in (5.0, 1.5, 9.5, 0.0, 1.5):
        part = recording.decode(RATE, offset_s, 0.5).waveform
        start = round(offset_s * RATE)
        np.testing.assert_allclose(part, whole[start : start + RATE // 2], atol=1e-6)
    with pytest.raises(ClipError, match="empty"):
        recording.decode(RATE, 11.0, 1.0)
    assert len(recording.decode(RATE, 9.0, 1.0).waveform) == RATE
    recording.close()


def test_a_file_that_changes_while_it_is_read_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("components.audio.source_file._MOST_IN_MEMORY", 1000)
    path = ramp(tmp_path / "ramp.wav")
    recording = Recording(str(path), digest(path))
    recording.decode(RATE, 0.0, 1.0)
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(b"\1\2\3\4")
    with pytest.raises(AuricleError):
        recording.decode(RATE, 5.0, 1.0)
    recording.close()


def test_what_may_not_be_read_is_a_reject_and_a_folder_too(tmp_path):
    with pytest.raises(ClipError, match=r"^unreadable: "):
        Recording(str(tmp_path), "")
    path = ramp(tmp_path / "ramp.wav")
    path.chmod(0)
    with permissions_count(), pytest.raises(ClipError, match=r"^unreadable: "):
        Recording(str(path), "")


def test_ten_hours_are_read_in_flat_memory(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        for _ in range(600):
            file.write(np.zeros(60 * RATE, np.int16))
    program = (
        "import resource, sys\n"
        "from components.audio.source_file import Recording\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before = peak()\n"
        "recording = Recording(sys.argv[1], sys.argv[2])\n"
        "for minute in (599, 0, 300):\n"
        "    assert len(recording.decode(16000, 60.0 * minute, 1.0).waveform) == 16000\n"
        "print(peak() - before)\n"
    )
    sha256 = subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0]
    path_of_modules = os.pathsep.join(filter(None, sys.path))
    run = subprocess.run(
        [sys.executable, "-c", program, path, sha256],
        env=os.environ | {"PYTHONPATH": path_of_modules},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) < 16, "MiB more than before the file of 1.1 GiB was opened"


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [RATE, 11025])
def test_a_recording_heard_in_blocks_is_the_recording_read_at_once(tmp_path, size, suffix, rate):
    path = tmp_path / f"noise.{suffix}"
    noise = np.random.default_rng(0).normal(0, 0.1, 40 * RATE)  # more than two blocks
    soundfile.write(path, noise, RATE)
    recording = Recording(str(path), digest(path))
    whole = recording.decode(rate, 0.0, None).waveform
    for offset_s in (0.0, 25.0, 3.0):
        blocks = list(recording.stream(rate, offset_s))
        assert max(map(len, blocks)) < 17 * rate
        start = round(offset_s * rate)
        heard = np.concatenate(blocks)
        assert abs(len(heard) - len(whole[start:])) <= 1
        # A resampler needs some samples until what was before no longer counts.
        inner = slice(200 if start else 0, len(heard) - 1)
        np.testing.assert_allclose(heard[inner], whole[start:][inner], atol=2e-5)
    assert list(recording.stream(rate, 41.0)) == []
    recording.close()


def test_what_changes_while_it_is_heard_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("components.audio.source_file._MOST_IN_MEMORY", 1000)
    path = ramp(tmp_path / "ramp.wav", 40 * RATE)
    recording = Recording(str(path), digest(path))
    blocks = recording.stream(RATE)
    next(blocks)
    with path.open("r+b") as file:
        file.seek(100_000)
        file.write(b"\1\2\3\4")
    with pytest.raises(AuricleError):
        list(blocks)
    recording.close()
