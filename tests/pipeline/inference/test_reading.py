"""What is no audio file is said to be none, and nobody waits for it."""

import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner
from unprivileged import permissions_count

from components.audio.pcm16 import wav_file
from pipeline.cli import app
from pipeline.inference import reading
from pipeline.inference.reading import find_audio, read_audio_file, read_clips
from schemas.errors import InputError
from schemas.workflow.workflow import Workflow

WORKFLOW = Workflow.model_validate({"name": "x", "data": {"folder": "."}})


@pytest.fixture
def odd(tmp_path: Path) -> list[Path]:
    """No files, for one reason each."""
    names = ["pipe.wav", "socket.wav", "device.wav", "circle.wav", "folder.wav", "gone.wav"]
    pipe, made, device, circle, folder, gone = paths = [tmp_path / name for name in names]
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(made))
    device.symlink_to("/dev/zero")
    circle.symlink_to(circle)
    folder.mkdir()
    return [*paths, tmp_path / f"{'x' * 300}.wav", gone / "1.wav", Path("/proc/self/mem")]


def test_each_is_named_and_a_clip_beside_them_is_read(odd: list[Path], tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    good.write_bytes(wav_file(b"\0\1" * 8000, 16000))
    *refused, clip = read_clips([*odd, good], WORKFLOW, conditioned=False)
    assert all(isinstance(each, str) and each for each in refused)
    assert not isinstance(clip, str)
    for path in odd:
        with pytest.raises(OSError):
            read_audio_file(path)
    assert find_audio([tmp_path]) == [good]  # what waits in a folder is passed over
    listed = [path for path in odd if path.name != "folder.wav"]
    assert find_audio(listed) == listed
    with pytest.raises(InputError, match="no audio file"):
        find_audio([tmp_path / "folder.wav"])


def test_a_file_of_any_size_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "holes.wav").open("wb") as file:
        file.truncate(1 << 42)
    with pytest.raises(OSError, match="1 GiB"):
        read_audio_file(tmp_path / "holes.wav")
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    with pytest.raises(OSError):  # states a size of 0
        read_audio_file(Path("/proc/self/status"))
    (tmp_path / "ten.wav").write_bytes(b"0123456789")
    assert read_audio_file(tmp_path / "ten.wav") == b"0123456789"


def test_a_folder_that_nobody_may_look_into(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0)
    with permissions_count():
        with pytest.raises(InputError, match="Permission denied"):
            find_audio([locked])
        for command in (["plan"], ["init"], ["import", "kaldi"]):
            ran = CliRunner().invoke(app, [*command, str(locked)])
            assert isinstance(ran.exception, InputError), ran.exception
            assert "Permission denied" in str(ran.exception)


@pytest.mark.parametrize(
    "command", [["plan"], ["init"], ["run"], ["import", "kaldi"], ["init", ".", "--output"]]
)
def test_a_path_that_cannot_be_is_the_persons_mistake(command: list[str]) -> None:
    ran = CliRunner().invoke(app, [*command, "x" * 300])
    assert isinstance(ran.exception, InputError), ran.exception
    assert "too long" in str(ran.exception)
