"""TFX's own reading and writing of files in stores."""

import emulators
import pytest
from tfx.dsl.io import fileio
from tfx.utils import io_utils

import components.tfx_files  # noqa: F401 - registers
from components.storage.location import location_of


@pytest.fixture(params=emulators.SCHEMES)
def folder(request: pytest.FixtureRequest, stores: emulators.Emulators) -> str:
    return f"{stores.bucket(request.param)}/artifacts/a [1]"


def test_what_is_written_is_read(folder: str) -> None:
    io_utils.write_string_file(f"{folder}/text", "größer\n")
    io_utils.write_bytes_file(f"{folder}/inside/bytes", b"\x00\xff")
    assert io_utils.read_string_file(f"{folder}/text") == "größer\n"
    assert fileio.open(f"{folder}/inside/bytes", "rb").read() == b"\x00\xff"
    assert fileio.stat(f"{folder}/inside/bytes").length == 2


def test_folders_are_what_has_files(folder: str) -> None:
    fileio.makedirs(folder)
    assert (fileio.exists(folder), fileio.isdir(folder), fileio.listdir(folder)) == (
        False,
        False,
        [],
    )
    for name in ("b/c", "a"):
        io_utils.write_string_file(f"{folder}/{name}", name)
    assert (fileio.exists(folder), fileio.isdir(folder)) == (True, True)
    assert not fileio.isdir(f"{folder}/a")
    assert fileio.listdir(folder) == ["a", "b"]
    assert list(fileio.walk(folder)) == [(folder, ["b"], ["a"]), (f"{folder}/b", [], ["c"])]
    assert fileio.glob(f"{folder.rpartition('/')[0]}/*/b/*") == [f"{folder}/b/c"]
    fileio.rmtree(folder)
    assert not fileio.exists(folder)


def test_copies_and_moves(folder: str) -> None:
    io_utils.write_string_file(f"{folder}/a", "one")
    fileio.copy(f"{folder}/a", f"{folder}/b")
    with pytest.raises(OSError, match="already"):
        fileio.copy(f"{folder}/a", f"{folder}/b")
    fileio.rename(f"{folder}/a", f"{folder}/b", overwrite=True)
    assert [name for name, _ in location_of(folder).files()] == ["b"]


def test_what_is_not_there_is_said_as_tfx_says_it(folder: str) -> None:
    for ask in (fileio.open, fileio.stat):
        with pytest.raises(fileio.NotFoundError):
            ask(f"{folder}/none")
    fileio.rmtree(f"{folder}/none")
    with pytest.raises(ValueError, match="'a'"):
        fileio.open(f"{folder}/log", "a")


@pytest.mark.parametrize("mode", ["w", "wb"])
def test_what_broke_off_is_not_there(folder: str, mode: str) -> None:
    with pytest.raises(RuntimeError), fileio.open(f"{folder}/a", mode) as file:
        file.write("half" if mode == "w" else b"half")
        raise RuntimeError
    assert not fileio.exists(f"{folder}/a")
