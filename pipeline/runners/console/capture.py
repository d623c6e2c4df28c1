"""Keeps a library's chatter off the terminal: everything goes to the run's log file.

TFX, Beam and TensorFlow write through `logging`, `absl`, `print` and, from C++, straight to file
descriptor 2. Only redirecting the descriptors catches all of them.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pipeline.runners.console.lost_output import open_output


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[TextIO]:
    """Sends output and logging of this process and its children to `path`; yields the terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved_out, saved_err = os.dup(1), os.dup(2)
    root = logging.getLogger()
    saved_handlers, saved_level = root.handlers[:], root.level
    terminal = open_output(saved_out, sys.stdout.encoding)
    with path.open("a") as log:
        handler = logging.StreamHandler(log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.handlers, root.level = [handler], logging.INFO
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield terminal
        finally:
            for stream in (sys.stdout, sys.stderr, terminal):
                stream.flush()
            os.dup2(saved_out, 1)
            os.dup2(saved_err, 2)
            os.close(saved_out)
            os.close(saved_err)
            root.handlers, root.level = saved_handlers, saved_level
