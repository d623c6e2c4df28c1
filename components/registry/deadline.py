"""How long a command waits for a registry in all, whatever the registry does meanwhile.

Time-outs of single requests bound neither a server that answers a byte a second nor one that has
every request repeated. So what asks a registry runs in a thread, which is left behind when the time
is over, and which ends at its next request.
"""

import concurrent.futures
import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

LIMIT_S = 3.0  # for all that is asked while somebody waits for an older model to be served
PATIENT_LIMIT_S = 5.0  # for each piece of work, without files
_SLOWEST_BYTES_PER_S = 100_000  # of an upload that still gets through
_LONGEST_WAIT_S = 60.0  # at once: longer ones may be too long for the system
_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

Found = TypeVar("Found")


class LateError(Exception):
    """The time is over."""


class Deadline:
    """The time of one command, which begins now. One that is not `patient` gets no more of it for
    files and further requests, since somebody waits for an older model to be served.

    A person who sets MLflow's own time-out of a request gets that one in place of ours.
    """

    def __init__(self, *, patient: bool) -> None:
        self._patient = patient
        self._once_s = _set_by_person() or (PATIENT_LIMIT_S if patient else LIMIT_S)
        self.limit_s = self._once_s
        self._began = time.monotonic()

    def allow(self, size_bytes: int = 0) -> None:
        """More time for one more piece of work, and for files of this size, counted from now."""
        if self._patient:
            more_s = self._once_s + size_bytes / _SLOWEST_BYTES_PER_S
            self.limit_s = max(self.limit_s, time.monotonic() - self._began + more_s)

    def check(self) -> None:
        """Raises `LateError` where the time is over."""
        if self._left_s() <= 0:
            raise LateError

    def wait_for(self, ask: Callable[[], Found]) -> Found:
        """What `ask` returns or raises.

        Raises:
            LateError: it does not come to its end in time.
        """
        self.check()
        answer: concurrent.futures.Future[Found] = concurrent.futures.Future()

        def answered() -> None:
            try:
                answer.set_result(ask())
            except BaseException as error:
                answer.set_exception(error)

        with _short_requests(self._once_s):
            # A daemon: one that hangs does not keep this process from ending.
            threading.Thread(target=answered, daemon=True).start()
            while not answer.done() and self._left_s() > 0:
                concurrent.futures.wait(
                    [answer], timeout=min(max(0.0, self._left_s()), _LONGEST_WAIT_S)
                )
        if not answer.done():
            raise LateError
        return answer.result()

    def _left_s(self) -> float:
        return self._began + self.limit_s - time.monotonic()


def _set_by_person() -> float | None:
    try:
        limit_s = int(os.environ[_TIMEOUT])
    except (KeyError, ValueError):  # MLflow itself refuses what is no number
        return None
    return limit_s if limit_s > 0 else None


@contextlib.contextmanager
def _short_requests(limit_s: float) -> Iterator[None]:
    """Has MLflow give up a request in time, and repeat it once, unless a person set that."""
    ours = {_TIMEOUT: str(math.ceil(limit_s)), _RETRIES: "1"}
    ours = {name: value for name, value in ours.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
