"""A path that no library takes for a pattern."""

import glob
import os
import subprocess
import sys
from pathlib import Path

import pytest
from apache_beam.io.filesystems import FileSystems

from components.storage.plain_path import plain_path


@pytest.mark.parametrize("name", ["takes [v2]", "*", "what?", "back\\slash", "[", "a[!b]c"])
def test_beam_finds_by_it_what_is_there(name: str, tmp_path: Path) -> None:
    for folder in (name, "takes v", "x"):
        (tmp_path / folder).mkdir()
    (tmp_path / name / "file").write_text("here")
    with plain_path(str(tmp_path / name)) as path:
        assert glob.escape(path) == path
        [found] = FileSystems.match([f"{path}/fi*"])[0].metadata_list
        assert Path(found.path).read_text() == "here"
        program = "import sys; print(open(sys.argv[1]).read())"  # and in another process
        command = [sys.executable, "-I", "-c", program, f"{path}/file"]
        assert subprocess.check_output(command, text=True) == "here\n"
    assert not os.path.exists(path)  # noqa: PTH110


@pytest.mark.parametrize("folder", ["/tmp/ü #1 {x,y} %41", "fake://bucket/[v2]"])
def test_others_stay_as_they_are(folder: str) -> None:
    with plain_path(folder) as path:
        assert path == folder
