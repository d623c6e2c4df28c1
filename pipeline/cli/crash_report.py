"""What is said of an error that nobody expected."""

import datetime
import os
import sys
import tempfile
import traceback
from pathlib import Path

from schemas.errors import AuricleError
from schemas.secrets import masked


def explain_fault(error: Exception, folder: Path) -> AuricleError:
    """`error` in two lines, its traceback in a file in `folder`, which may not be there yet."""
    folder = folder if folder.is_dir() else Path(tempfile.gettempdir())
    log = folder / f"internal-error-{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"
    text = f"{' '.join(sys.argv)}\n{''.join(traceback.format_exception(error))}"
    log.write_text(masked(text), errors="backslashreplace")
    what = str(error).strip().partition("\n")[0][:300]
    return AuricleError(f"internal error: {type(error).__name__}: {what}\nTraceback: {log}")
