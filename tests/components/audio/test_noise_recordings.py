"""Noise from files: divided, decoded, and left out where nothing can be heard."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.audio.noise_recordings import divide, read_noises
from components.storage.contents import digest_files
from schemas.background import BackgroundRecording
from schemas.errors import AuricleError, DataError

RATE = 8000
PARTS = ("train", "eval", "test")


def _listed(folder, count, seconds=2.0, level=0.1):
    found = []
    for number in range(count):
        file = folder / f"{number}.wav"
        noise = np.random.default_rng(number).normal(0, level, round(seconds * RATE))
        soundfile.write(file, noise, RATE)
        found.append((file, seconds))
    digests = digest_files([str(file) for file, _ in found])
    return [
        BackgroundRecording(
            name=file.name, path=str(file), length_s=seconds, sha256=digests[str(file)]
        )
        for file, seconds in found
    ]


def test_of_many_files_none_is_heard_in_two_parts(tmp_path):
    recordings = _listed(tmp_path, 12)
    parts = [{each.name for each in divide(recordings, part)} for part in PARTS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 12
    assert len(parts[0]) > max(len(parts[1]), len(parts[2])) >= 2


def test_of_few_files_each_part_hears_a_stretch_of_its_own(tmp_path):
    recordings = _listed(tmp_path, 2, seconds=10.0)
    for name in ("0.wav", "1.wav"):
        spans = [
            (each.start_s, each.start_s + each.length_s)
            for part in PARTS
            for each in divide(recordings, part)
            if each.name == name
        ]
        assert spans == [(0.0, 6.0), (6.0, 8.0), (8.0, 10.0)]


def test_a_copy_is_no_other_noise(tmp_path):
    recordings = _listed(tmp_path, 5)
    copies = [each.model_copy(update={"name": f"copy of {each.name}"}) for each in recordings]
    parts = [{each.path for each in divide(recordings + copies, part)} for part in PARTS]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 5


def test_stretches_are_of_the_files_and_as_long_as_asked(tmp_path):
    recordings = _listed(tmp_path, 6, seconds=3.0)
    noises = read_noises(recordings, "train", RATE, RATE, most=8)
    assert noises.shape == (8, RATE)
    sound = {each.name: soundfile.read(each.path, dtype="float32")[0] for each in recordings}
    for noise in noises:
        assert any(
            np.allclose(noise, whole[start : start + RATE], atol=1e-4)
            for whole in sound.values()
            for start in range(0, 2 * RATE + 1, RATE)
        )
    [short] = read_noises(_listed(tmp_path, 1, seconds=1.0), "test", RATE, RATE, most=1)
    np.testing.assert_allclose(short[:1600], short[1600:3200])  # 0.2 s, again and again


def test_what_cannot_be_heard_is_left_out_and_nothing_at_all_is_refused(tmp_path):
    recordings = _listed(tmp_path, 8)
    for each in divide(recordings, "train")[1:]:
        (tmp_path / each.name).write_bytes(b"RIFF no sound")
    digests = digest_files([each.path for each in recordings])
    listed = [each.model_copy(update={"sha256": digests[each.path]}) for each in recordings]
    # By content they may be divided otherwise now: of each part what is whole is heard.
    heard = 0
    for part in PARTS:
        whole = [each for each in divide(listed, part) if "no sound" not in _start(each.path)]
        if whole:
            heard += len(read_noises(listed, part, 2 * RATE, RATE, most=8))
    assert heard == sum("no sound" not in _start(each.path) for each in listed) > 1
    silent = _listed(tmp_path, 3, level=0.0)
    with pytest.raises(DataError, match="silent"):
        read_noises(silent, "train", RATE, RATE, most=8)


def _start(path):
    return Path(path).read_bytes()[:20].decode("latin-1")


def test_a_file_that_changed_ends_the_run(tmp_path):
    recordings = _listed(tmp_path, 1)
    soundfile.write(tmp_path / "0.wav", np.ones(2 * RATE) / 2, RATE)
    with pytest.raises(AuricleError, match="changed"):
        read_noises(recordings, "train", RATE, RATE, most=1)
