"""What is said of an error that nobody expected."""

import contextlib
import datetime
import os
import sys
import tempfile
import traceback
from pathlib import Path

from pipeline.workspace.machine import machine_fault
from schemas.errors import AuricleError
from schemas.secrets import masked


def explain_fault(error: Exception, folder: Path) -> AuricleError:
    """`error` in words where the machine refused something; else in two lines, its traceback in a
    file in `folder`, which may not be there yet.
    """
    if refused := machine_fault(error):
        return refused
    text = masked(f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}")
    what = str(error).strip().partition("\n")[0][:300]
    said = f"internal error: {type(error).__name__}: {what}"
    name = f"internal-error-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    for place in (folder, Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            (place / name).write_text(text, errors="backslashreplace")
            return AuricleError(f"{said}\nTraceback: {place / name}")
    return AuricleError(f"{said}\n{text}")
