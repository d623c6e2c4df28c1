"""What a person gets of an error that nobody expected."""

import errno
from pathlib import Path

import pytest

from pipeline.cli.crash_report import explain_fault
from schemas.errors import RunDirectoryError


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.ENOTEMPTY])
def test_a_file_that_we_may_have_forgotten_gets_words_and_a_traceback(
    code: int, tmp_path: Path
) -> None:
    fault = explain_fault(raised(OSError(code, "said", "steps/model.keras")), tmp_path)
    [log] = tmp_path.glob("internal-error-*")
    assert isinstance(fault, RunDirectoryError)
    assert "steps/model.keras" in str(fault) and str(log) in str(fault)
    assert "test_crash_report.py" in log.read_text()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EMFILE])
def test_what_only_the_machine_can_refuse_gets_words_alone(code: int, tmp_path: Path) -> None:
    fault = explain_fault(raised(OSError(code, "said", "steps/model.keras")), tmp_path)
    assert isinstance(fault, RunDirectoryError)
    assert not list(tmp_path.iterdir())
