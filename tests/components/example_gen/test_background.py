"""Background recordings are found and looked at before anything is trained."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from components.example_gen.background import list_background, list_noise, write_recordings
from schemas.background import BACKGROUND_LIST
from schemas.errors import DataError
from schemas.utterance import Utterance
from schemas.workflow.augment import Noise
from schemas.workflow.data import Data

RATE = 8000


def write_noise(path: Path, seconds: float, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    soundfile.write(path, noise, RATE)
    return path


def listed(base: Path, background, utterances=()):
    data = Data(folder="clips", background=background)
    return list_background(data, 0.5, base, utterances)


def test_paths_and_globs_name_each_file_once_with_its_length(tmp_path):
    write_noise(tmp_path / "noise" / "b.wav", 4.0)
    write_noise(tmp_path / "noise" / "a.flac", 2.5)
    (tmp_path / "noise" / "deep").mkdir()
    for name in ("README.md", "._a.flac", "Thumbs.db"):
        (tmp_path / "noise" / name).write_text("none")
    for background in (["noise/*", "noise/b.wav"], "noise", "noise/"):
        recordings = listed(tmp_path, background)
        assert [(r.name, r.length_s) for r in recordings] == [("a.flac", 2.5), ("b.wav", 4.0)]
    assert listed(tmp_path, str(tmp_path / "noise" / "b.wav"))[0].name == "b.wav"
    assert listed(tmp_path, None) == []


@pytest.mark.parametrize(
    ("background", "words"),
    [
        ("nothing/*.wav", "data.background: nothing/*.wav matches no file (looked in"),
        (["noise/*.wav", "none.wav"], "data.background: none.wav matches no file"),
        ("odd/*", "expected recordings that can be read; odd.wma: unsupported: "),
        ("odd/notes.txt", "expected recordings that can be read; notes.txt: unsupported: "),
        ("none", "data.background: none/* matches no recording (looked in"),
        ("broken/*", "broken.flac: unsupported: File contains data in"),
        ("short.wav", "all recordings together are shorter than 2 clips of 0.5 s"),
    ],
)
def test_what_cannot_be_heard_is_named(tmp_path, background, words):
    good = write_noise(tmp_path / "noise" / "a.wav", 4.0)
    for name in ("odd/odd.wma", "odd/notes.txt", "none/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("These are recordings of a kitchen.")
    write_noise(tmp_path / "short.wav", 0.9)
    whole = write_noise(tmp_path / "whole.flac", 1.0).read_bytes()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "broken.flac").write_bytes(whole[:20])
    shutil.copy(good, tmp_path / "broken" / "good.wav")
    with pytest.raises(DataError) as error:
        listed(tmp_path, background)
    assert words in str(error.value)


def test_a_recording_that_has_a_label_is_no_background(tmp_path):
    path = write_noise(tmp_path / "noise" / "a.wav", 4.0)
    written = f"{tmp_path}/clips/../noise/a.wav"
    row = Utterance("a", "a.wav", written, "_silence_")
    with pytest.raises(DataError, match=r"/a\.wav "):
        listed(tmp_path, str(path), [row])


def test_the_digest_is_of_names_and_content_wherever_they_lie(tmp_path):
    digests = []
    for place, seed in (("here", 1), ("there", 1), ("other", 2)):
        write_noise(tmp_path / place / "noise" / "a.wav", 2.0, seed)
        recordings = listed(tmp_path / place, "noise/*.wav")
        uri, digest = write_recordings(recordings, "background", tmp_path / place / "index")
        digests.append(digest)
        [read] = BACKGROUND_LIST.validate_json(Path(uri).read_bytes())
        assert read.path == str(tmp_path / place / "noise" / "a.wav")
        assert len(read.sha256) == 64
    assert digests[0] == digests[1] != digests[2]
    assert write_recordings([], "background", tmp_path / "none") == ("", "")
    assert not (tmp_path / "none").exists()


def test_noise_is_listed_likewise_under_its_own_key(tmp_path):
    file = write_noise(tmp_path / "noise" / "fan.wav", 2.0)
    noise = Noise(recordings="noise")
    assert [each.name for each in list_noise(noise, tmp_path, ())] == ["fan.wav"]
    assert list_noise(Noise(), tmp_path, ()) == []
    labelled = Utterance(id="fan", uri="fan.wav", path=str(file), target="fan")
    with pytest.raises(DataError, match=r"augment.noise.recordings: .* has a label"):
        list_noise(noise, tmp_path, [labelled])
    write_noise(file, 0.5)
    with pytest.raises(DataError, match=r"augment.noise.recordings: .* shorter than 1 s"):
        list_noise(noise, tmp_path, ())
