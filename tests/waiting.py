"""Waiting for something to come true, however long it takes; pytest's timeout is the only limit."""

import os
import select
import subprocess
import time
from collections.abc import Callable

_BETWEEN_TWO_CHECKS_S = 0.02


def wait_until(condition: Callable[[], object], process: subprocess.Popen | None = None) -> None:
    """Returns once the condition is true; fails where the process that has to bring it about ends.

    Raises:
        AssertionError: the process ended before.
    """
    while not condition():
        if process is not None and process.poll() is not None and not condition():
            raise AssertionError(f"{process.args} ended with {process.returncode} before")
        time.sleep(_BETWEEN_TWO_CHECKS_S)


def wait_for_end(pid: int) -> None:
    """Returns once this process, which may be nobody's child, has ended (Linux: pidfd)."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([descriptor], [], [])
    finally:
        os.close(descriptor)
