"""What is said of an error that nobody expected."""

import contextlib
import datetime
import os
import sys
import tempfile
import traceback
from pathlib import Path

from pipeline.workspace.machine import machine_fault, may_be_ours
from schemas.errors import AuricleError, RunDirectoryError
from schemas.secrets import masked


def explain_fault(error: Exception, folder: Path) -> AuricleError:
    """`error` in words. Its traceback is in a file in `folder`, which may not be there yet, unless
    the machine refused something that no mistake of ours can cause.
    """
    refused = machine_fault(error)
    if refused is None:
        return AuricleError(_with_traceback(_internal(error), error, folder))
    if may_be_ours(error):
        return RunDirectoryError(_with_traceback(str(refused), error, folder))
    return refused


def _internal(error: Exception) -> str:
    what = str(error).strip().partition("\n")[0][:300]
    return f"internal error: {type(error).__name__}: {what}"


def _with_traceback(said: str, error: Exception, folder: Path) -> str:
    """`said`, and where the traceback is: in a file, or below it where none can be written."""
    text = masked(f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}")
    name = f"internal-error-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    for place in (folder, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            (place / name).write_text(text, errors="backslashreplace")
            return f"{said}\nTraceback: {place / name}"
    return f"{said}\n{text}"
