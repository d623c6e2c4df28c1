"""One run at a time, one workflow a directory, and a full disk said in words."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pushed import make_version

from pipeline.workspace.disk import explain_full_disk, require_space
from pipeline.workspace.lock import FORMAT, claim
from pipeline.workspace.project import Project
from schemas.errors import RunDirectoryError
from schemas.workflow.data import Data
from schemas.workflow.generated import Generated
from schemas.workflow.run import Run
from schemas.workflow.workflow import Workflow


def workflow(name: str = "digits", directory: str | None = None) -> Workflow:
    return Workflow(name=name, data=Data(generated=Generated()), run=Run(directory=directory))


def test_default_is_beside_the_workflow_file(tmp_path: Path) -> None:
    directory = Project(workflow(), tmp_path).run_directory
    assert directory.local == tmp_path / "runs" / "digits"
    assert directory.serving.path == directory.local / "serving"


def test_second_run_at_once_is_refused(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys\n"
            "from pathlib import Path\n"
            "from pipeline.workspace.lock import claim\n"
            "from pipeline.workspace.project import Project\n"
            "from schemas.workflow.workflow import Workflow\n"
            "w = Workflow.model_validate({'name': 'digits', 'data': {'generated': {}}})\n"
            "with claim(Project(w, Path(sys.argv[1]))):\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n",
            str(tmp_path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(RunDirectoryError, match=rf"\b{holder.pid}\b"),
        claim(Project(workflow(), tmp_path)),
    ):
        pass
    holder.kill()
    holder.communicate()
    with claim(Project(workflow(), tmp_path)):  # a killed run holds nothing
        pass


def test_another_workflows_directory_is_refused(tmp_path: Path) -> None:
    with claim(Project(workflow("words", "shared"), tmp_path)):
        pass
    with (
        pytest.raises(RunDirectoryError, match=r"'words'.* 'digits'"),
        claim(Project(workflow("digits", "shared"), tmp_path)),
    ):
        pass


def test_a_directory_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    project = Project(workflow(), tmp_path)
    with claim(project):
        pass
    directory = project.run_directory
    assert json.loads(directory.format.path.read_text()) == {"format": FORMAT}
    directory.format.path.write_text(json.dumps({"format": FORMAT + 1}))
    (directory.local / "workflow.json").write_text('{"name": "digits", "dialect": "newer"}')
    with pytest.raises(RunDirectoryError) as refused, claim(project):
        pass
    assert f"format {FORMAT + 1}" in str(refused.value)
    assert "dialect" in (directory.local / "workflow.json").read_text()


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(RunDirectoryError, match=r"\(thesis\.tex\)"),
        claim(Project(workflow(directory="."), tmp_path)),
    ):
        pass
    assert (tmp_path / "thesis.tex").exists()


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(RunDirectoryError, match="file/run"),
        claim(Project(workflow(directory="file/run"), tmp_path)),
    ):
        pass


def test_too_little_space_is_refused_before_the_start(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(RunDirectoryError, match="1,000,000,000,000 MB"):
        require_space(tmp_path, 10**18)


def test_a_full_disk_is_explained(tmp_path: Path) -> None:
    directory = Project(workflow(), tmp_path).run_directory
    with (
        pytest.raises(RunDirectoryError, match="is full"),
        explain_full_disk(directory),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
        full.flush()
    with pytest.raises(RunDirectoryError, match="is full"), explain_full_disk(directory):
        raise RuntimeError("RESOURCE_EXHAUSTED: No space left on device")
    make_version(directory.serving, "a")
    full = OSError(errno.ENOSPC, "No space left on device")
    with (
        pytest.raises(RunDirectoryError, match="nothing was published"),
        explain_full_disk(directory),
    ):
        raise full
    with (
        pytest.raises(RunDirectoryError, match="version 2 was published and is served"),
        explain_full_disk(directory),
    ):
        make_version(directory.serving, "b")
        raise full
    with pytest.raises(OSError) as other, explain_full_disk(directory):
        raise OSError(errno.EIO, "input/output error")
    assert other.value.errno == errno.EIO
