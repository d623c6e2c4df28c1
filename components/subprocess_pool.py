"""A function applied in child processes: an item that crashes or hangs one costs itself only.

Decoders are C code fed with files from anywhere. What they do happens in children with limits, into
which neither Beam nor TensorFlow is imported (they start in 0.3 s). Items travel in chunks; where a
child dies, its chunk is done again item by item, so that the one to blame is known, and one that
was killed by mistake has a second chance. Arrays, and bytes in a `pickle.PickleBuffer`, come
through shared memory.
"""

import contextlib
import functools
import itertools
import math
import mmap
import multiprocessing
import multiprocessing.connection
import os
import pickle
import queue
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Generic, TypeVar

from schemas.errors import AuricleError

Item = TypeVar("Item")
Result = TypeVar("Result")
_Chunk = list[tuple[int, Item]]  # items with their numbers

_CHUNK = 16
_CHUNKS_AHEAD = 4  # for each child: what may be done while an earlier item is waited for
_CHUNKS_GIVEN = 2  # so that a child does not wait for us
_MOST_ITEMS = 20_000  # of one child: libvorbis leaks 3 kB with every damaged file
_SHARED_FROM_BYTES = 4096  # smaller ones cost less in the answer itself
_SHARED_BYTES = 4 << 20  # for the answers to a chunk
# Without the working directory, which `-c` puts first: a folder `components` there is not ours.
_MAIN = (
    "import sys; sys.path[:] = filter(None, sys.path);"
    " from components.subprocess_pool import serve; serve(*map(int, sys.argv[1:]))"
)
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
# glibc gives arrays of more than 128 KiB back to the system when they are freed: that each is
# cleared anew took a third of the time of measuring and conditioning many clips together.
_KEEPING_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}
_LOG_BYTES = 4000


@dataclass(frozen=True)
class Limits:
    """What an item may take: seconds of CPU, bytes of memory, seconds for a chunk of them."""

    cpu_s: int = 20
    memory_bytes: int = 3 << 30
    chunk_s: float = 600.0


@dataclass(frozen=True)
class Failure:
    """The answer to an item that no child survived: what happened to it."""

    detail: str


# To a child: the function first, then items, and None at the end.
_Many = Callable[[Iterator[object]], Iterable[object]]
_Message = tuple[_Many, Limits] | list[object] | None


class SubprocessPool(Generic[Item, Result]):
    """Applies `function` to items in `processes` children, which start when they are needed.

    `function`, items and results are pickled, so their modules have to be importable.
    """

    def __init__(
        self,
        function: Callable[[Item], Result] | Callable[[Iterator[Item]], Iterable[Result]],
        processes: int = 1,
        limits: Limits = Limits(),
        many: int | None = None,
    ) -> None:
        """With `many`, `function` is given up to so many items to go through, and gives as many
        results; where one of them is too much for it, it is given each alone.
        """
        applied: object = functools.partial(map, function) if many is None else function
        self._children = [_Child[Item, Result](applied, limits) for _ in range(processes)]
        self._limits = limits
        self._chunk = many or _CHUNK

    def close(self) -> None:
        """Ends the children."""
        for child in self._children:
            child.stop()

    def map(self, items: Iterable[Item]) -> Iterator[Result | Failure]:
        """A result for each item, in their order. `items` are taken a little ahead.

        Raises:
            AuricleError: `function` raised it, or something else, which is its text.
        """
        tasks = _Tasks(items, self._chunk, _CHUNKS_AHEAD * len(self._children))
        done: dict[int, Result | Failure] = {}
        try:
            for turn in itertools.count():
                while turn not in done:
                    self._hand_out(tasks, turn)
                    busy = [child for child in self._children if child.tasks]
                    if not busy:
                        return
                    self._collect(busy, tasks, done)
                yield done.pop(turn)
        finally:
            for child in self._children:
                if child.tasks:  # what nobody waits for any more
                    child.stop()

    def _hand_out(self, tasks: "_Tasks[Item]", turn: int) -> None:
        for child in self._children:
            while child.is_free() and (chunk := tasks.take(turn)):
                child.give(chunk)

    def _collect(
        self,
        busy: list["_Child[Item, Result]"],
        tasks: "_Tasks[Item]",
        done: dict[int, Result | Failure],
    ) -> None:
        """Waits for children that answer or die; the tasks of a dead one are handed out again."""
        connections = {child.connection: child for child in busy}
        ready = multiprocessing.connection.wait(connections, self._limits.chunk_s)
        for child in [connections[it] for it in ready] or busy:  # type: ignore[index]
            if not ready:
                failure = Failure(f"took longer than {self._limits.chunk_s:g} s")
            elif (answers := child.answers()) is not None:
                done.update(answers)
                continue
            else:
                failure = Failure(child.cause_of_death())
            blamed, *others = child.tasks
            child.stop()
            if len(blamed) == 1:
                done[blamed[0][0]] = failure
            else:
                others = [[item] for item in blamed] + others
            tasks.give_back(others)


class _Tasks(Generic[Item]):
    """Chunks of numbered items, at most `ahead` chunks before the one whose turn it is."""

    def __init__(self, items: Iterable[Item], chunk: int, ahead: int) -> None:
        self._items = enumerate(items)
        self._chunk = chunk
        self._ahead = chunk * ahead
        self._taken = 0
        self._again: deque[_Chunk[Item]] = deque()

    def take(self, turn: int) -> _Chunk[Item]:
        """The next chunk; empty where there is none now."""
        if self._again:
            return self._again.popleft()
        if self._taken - turn >= self._ahead:
            return []
        chunk = list(itertools.islice(self._items, self._chunk))
        self._taken += len(chunk)
        return chunk

    def give_back(self, chunks: list[_Chunk[Item]]) -> None:
        """These come first."""
        self._again.extendleft(reversed(chunks))


class _Answers(Generic[Result]):
    """Answers pickled, but what is large in them in shared memory: a socket is slow for that.

    The chunks that a child was given take turns. It gets the next one only when the answers to the
    last but one were read, so no memory is written before it was read.
    """

    def __init__(self, memory_fd: int) -> None:
        self._memory = memoryview(mmap.mmap(memory_fd, _CHUNKS_GIVEN * _SHARED_BYTES))
        self._turn = 0

    def dump(self, answers: list[Result] | AuricleError) -> bytes:
        """What `load` makes the answers of."""
        places: list[tuple[int, int, bool]] = []
        at, end = self._next_room()

        def share(buffer: pickle.PickleBuffer) -> bool:
            """Puts it into the memory; True where it has to go with the answers."""
            nonlocal at
            content = buffer.raw()
            if not _SHARED_FROM_BYTES <= content.nbytes <= end - at:
                return True
            start, at = at, at + content.nbytes
            self._memory[start:at] = content
            places.append((start, at, content.readonly))
            return False

        dumped = pickle.dumps(answers, pickle.HIGHEST_PROTOCOL, buffer_callback=share)
        return pickle.dumps((places, dumped))

    def load(self, message: bytes) -> list[Result] | AuricleError:
        """The answers, copied out of the shared memory."""
        self._next_room()
        places, dumped = pickle.loads(message)
        shared = [
            (bytes if is_fixed else bytearray)(self._memory[start:end])
            for start, end, is_fixed in places
        ]
        return pickle.loads(dumped, buffers=shared)

    def close(self) -> None:
        """Lets go of the memory."""
        self._memory.release()

    def _next_room(self) -> tuple[int, int]:
        start = self._turn * _SHARED_BYTES
        self._turn = (self._turn + 1) % _CHUNKS_GIVEN
        return start, start + _SHARED_BYTES


class _Child(Generic[Item, Result]):
    """One process; `tasks` are the chunks that it has not answered yet."""

    connection: Connection
    _answers: _Answers[Result | Failure]
    _log: IO[bytes]
    _process: subprocess.Popen[bytes]

    def __init__(self, function: object, limits: Limits) -> None:
        self._function = function
        self._limits = limits
        self._runs = False
        self._items = 0
        self.tasks: deque[_Chunk[Item]] = deque()

    def is_free(self) -> bool:
        """Whether it can be given a chunk; one that has done enough is started anew first."""
        if self._items >= _MOST_ITEMS and not self.tasks:
            self.stop()
        return self._items < _MOST_ITEMS and len(self.tasks) < _CHUNKS_GIVEN

    def give(self, chunk: _Chunk[Item]) -> None:
        if not self._runs:
            self._start()
        self.tasks.append(chunk)
        self._items += len(chunk)
        self._send([item for _, item in chunk])

    def answers(self) -> dict[int, Result | Failure] | None:
        """The answers to its oldest chunk, by number; None where it died."""
        try:
            answers = self._answers.load(self.connection.recv_bytes())
        except (EOFError, OSError):
            return None
        if isinstance(answers, AuricleError):
            raise answers
        numbers = [number for number, _ in self.tasks.popleft()]
        return dict(zip(numbers, answers, strict=True))

    def cause_of_death(self) -> str:
        """Which signal ended it.

        Raises:
            AuricleError: it ended by itself, which is a fault of ours.
        """
        code = self._process.wait()
        if code >= 0:
            self._log.seek(0)
            output = self._log.read()[-_LOG_BYTES:].decode(errors="replace")
            raise AuricleError(f"a child process ended with {code}: {output}")
        if -code == signal.SIGXCPU:
            return f"took more than {self._limits.cpu_s} s of CPU"
        return f"the decoder died of {signal.Signals(-code).name}"

    def stop(self) -> None:
        """Ends the process; its tasks are forgotten."""
        self.tasks.clear()
        self._items = 0
        if self._runs:
            self._runs = False
            self.connection.close()
            self._answers.close()
            self._process.kill()
            self._process.wait()
            self._log.close()

    def _start(self) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        memory = os.memfd_create("answers")
        os.ftruncate(memory, _CHUNKS_GIVEN * _SHARED_BYTES)
        self._answers = _Answers(memory)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", _MAIN, str(theirs.fileno()), str(memory)],
                pass_fds=[theirs.fileno(), memory],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for us, who then stop it
                env=os.environ
                | _ONE_THREAD
                | _KEEPING_MEMORY
                | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        os.close(memory)
        self._runs = True
        self._send((self._function, self._limits))

    def _send(self, message: object) -> None:
        try:
            self.connection.send(message)
        except OSError:  # it is dead, as `answers` will find
            return


def serve(connection_fd: int, memory_fd: int) -> None:
    """The life of a child: answers chunks until the other side hangs up."""
    answers = _Answers[object](memory_fd)
    with Connection(connection_fd) as connection:
        chunks: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        # Reads while answers are written, or both sides might wait for the other to read.
        threading.Thread(target=_receive, args=(connection, chunks), daemon=True).start()
        if not isinstance(first := chunks.get(), tuple):
            return
        function, limits = first
        _limit_memory(limits.memory_bytes)
        while isinstance(items := chunks.get(), list):
            try:
                answer: list[object] | AuricleError = _apply(function, items, limits)
            except AuricleError as error:
                answer = error
            except Exception:
                answer = AuricleError(traceback.format_exc())
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send_bytes(answers.dump(answer))


def _receive(connection: Connection, chunks: "queue.SimpleQueue[_Message]") -> None:
    """Hands on what comes, and None at the end."""
    try:
        while True:
            chunks.put(connection.recv())
    except (EOFError, OSError):
        chunks.put(None)
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the main thread would wait for ever


def _apply(function: _Many, items: list[object], limits: Limits) -> list[object]:
    """A result for each item; those of too much memory are done alone, to know which it is."""
    try:
        return list(function(_limited(items, limits)))
    except MemoryError:
        if len(items) == 1:
            return [Failure(f"needs more than {limits.memory_bytes >> 20} MiB of memory")]
    return [result for item in items for result in _apply(function, [item], limits)]


def _limited(items: list[object], limits: Limits) -> Iterator[object]:
    """Each item, with as much CPU from there on as one may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    for item in items:
        until_s = math.ceil(time.process_time()) + limits.cpu_s
        resource.setrlimit(resource.RLIMIT_CPU, (until_s, hard))
        yield item


def _limit_memory(more_bytes: int) -> None:
    """Of address space, `more_bytes` beyond what is in use; where the system can tell."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (used + more_bytes, hard))
