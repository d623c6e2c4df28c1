"""Commands in trouble: a warm process that forks a child for each, whose disk, output and
neighbours are what the trouble makes of them.

Everything heavy is imported once, before the forks, so that a command costs what it does. A child
has a mount namespace of its own: its project lies on a file system that is full, has no inodes
left or may only be read, and that is gone with it (Linux, as root or with user namespaces).
"""

import ctypes
import errno
import functools
import importlib
import io
import json
import os
import pkgutil
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

_NEW_NAMESPACE, _NEW_USER = 0x00020000, 0x10000000  # of clone(2)
_READ_ONLY, _REMOUNT, _PRIVATE = 1, 32, 1 << 18  # of mount(2)
_TIMEOUT_S = 90
_HELD_S = 20


class Done(NamedTuple):
    """How a command ended; `code` is negative where a signal ended it."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def first_line(self) -> str:
        return self.err.partition("\n")[0]


class Answer(NamedTuple):
    """How one of several commands of a child ended."""

    command: str
    code: int
    err: str


class WarmProcess:
    """A process that has imported what commands need, and forks for each."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            text=True,
        )

    def run(self, project: Path, command: list[str], trouble: str = "", **given: Any) -> Done:
        """What `auricle` does with a command while there is `trouble` in `project`, which is
        afterwards as it was.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {"project": str(project), "command": command, "trouble": trouble, **given}
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return Done(**json.loads(self._process.stdout.readline()))

    def run_all(
        self, project: Path, commands: list[list[str]], trouble: str = "", **given: Any
    ) -> list[Answer]:
        """What `auricle` does with one command after the other, in one child."""
        done = self.run(project, commands, trouble, **given)  # type: ignore[arg-type]
        assert done.code == 0, done
        return [Answer(*answer) for answer in json.loads(done.out)]

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def trouble_project(folder: Path) -> Path:
    """A project with two runs, two versions, feedback and decisions in its run directory."""
    from recorded_run import unpack
    from seen import NOW

    from components.versions.serving import push_version
    from pipeline.datasets.feedback import Feedback, add_feedback
    from pipeline.releases.reconcile import reconcile
    from pipeline.scheduling.scheduler import Decision
    from pipeline.workspace.lock import claim
    from pipeline.workspace.project import read_project
    from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard

    unpack(folder)
    project = read_project(folder / "workflow.yaml")
    served = project.run_directory.serving.path / "1"
    model = folder.with_name("second")
    shutil.copytree(served, model)
    (model / "assets.extra/manifest.json").unlink()
    card = ModelCard.model_validate_json((model / MODEL_CARD_FILE).read_text())
    texts = {}
    for name in ("model_card.md", "verdict.json"):
        texts[f"assets.extra/{name}"] = (model / "assets.extra" / name).read_text()
        (model / "assets.extra" / name).unlink()
    (model / "assets.extra/notes.txt").write_text("another model")
    push_version(model, project.run_directory.serving, card.name, texts, lineage=card.lineage)
    shutil.rmtree(model)
    with claim(project) as directory:
        reconcile(project)
    add_feedback(
        project, [folder / "recordings/low-speaker0-0.wav"], Feedback(label="low"), ask=False
    )
    decision = Decision(time=NOW, outcome="nothing new", reasons=["nothing new"])
    directory.decisions.append(f"{decision.model_dump_json()}\n".encode())
    return folder


@functools.cache
def can_mount() -> bool:
    """Whether children may have file systems of their own here."""
    pid = os.fork()
    if pid == 0:
        try:
            _own_disk(Path("/tmp"), "size=64k")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def _serve() -> None:
    """Answers tasks, a line each, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _import_what_is_heavy()
    for line in sys.stdin:
        task = json.loads(line)
        project = Path(task["project"])
        out, err, kept = (project.with_name(name) for name in ("out", "err", "kept"))
        out.touch()
        err.touch()
        project.rename(kept)
        shutil.copytree(kept, project, symlinks=True)
        begin = time.monotonic()
        code = _fork(task)
        answer = {
            "code": code,
            "out": out.read_text(errors="replace"),
            "err": err.read_text(errors="replace"),
            "seconds": time.monotonic() - begin,
        }
        shutil.rmtree(project)
        kept.rename(project)
        out.unlink()
        err.unlink()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _import_what_is_heavy() -> None:
    """All modules of commands but those of TensorFlow, whose threads a fork would lose."""
    for name in ("cli", "datasets", "erasure", "metadata", "releases", "runs", "workspace"):
        package = importlib.import_module(f"pipeline.{name}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for other in ("ml_metadata", "scipy.signal", "soundfile"):  # imported where they are used
        importlib.import_module(other)
    assert "tensorflow" not in sys.modules


def _fork(task: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.setsid()
            code = _child(Path(task["project"]), task)
        finally:
            os._exit(code)
    deadline = time.monotonic() + task.get("timeout_s", _TIMEOUT_S)
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return -signal.SIGKILL
        time.sleep(0.005)


def _child(project: Path, task: dict[str, Any]) -> int:
    os.dup2(os.open(project.with_name("out"), os.O_WRONLY), 1)
    os.dup2(os.open(project.with_name("err"), os.O_WRONLY), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ |= {"NO_COLOR": "1", "COLUMNS": "200"} | task.get("environment", {})
    if "damaged" in task:
        DAMAGES[task["trouble"]](project / task["damaged"])
    else:
        TROUBLES[task["trouble"]](project)
    os.chdir(project)
    if task["command"] and isinstance(task["command"][0], list):
        answers = [_in_memory(command) for command in task["command"]]
        os.write(1, json.dumps(answers).encode())
        return 0
    sys.argv = ["auricle", *task["command"]]
    _open_streams()
    code = _ended()
    if "then" in task:
        sys.argv = ["auricle", *task["then"]]
        return _ended()
    return code


def _in_memory(command: list[str]) -> tuple[str, int, str]:
    sys.argv = ["auricle", *command]
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    return " ".join(command), _ended(), sys.stderr.getvalue()


def _ended() -> int:
    """The exit code of `sys.argv`."""
    from pipeline.cli import main

    try:
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        code = 98
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        code = 120  # as Python ends where it cannot flush
    if sys.stderr is not None:
        sys.stderr.flush()
    return code


def _open_streams() -> None:
    """`sys.stdout` and `sys.stderr` as a fresh interpreter has them: None of what is closed."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        try:
            os.fstat(descriptor)
        except OSError:
            setattr(sys, name, None)
        else:
            stream = io.TextIOWrapper(io.FileIO(descriptor, "wb", closefd=False), "utf-8")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


def _reader_gone(project: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)


def _own_disk(folder: Path, options: str, flags: int = 0) -> None:
    """A new file system at `folder`, for this process alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _check(libc.unshare(_NEW_NAMESPACE))
    else:
        _check(libc.unshare(_NEW_NAMESPACE | _NEW_USER))
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(libc.mount(b"none", b"/", None, 1 << 14 | _PRIVATE, None))
    _check(libc.mount(b"tmpfs", bytes(folder), b"tmpfs", flags, options.encode()))


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _on_own_disk(project: Path, options: str) -> None:
    _own_disk(project, options)
    shutil.copytree(project.with_name("kept"), project, symlinks=True, dirs_exist_ok=True)
    (project / "tmp").mkdir()
    os.environ["TMPDIR"] = str(project / "tmp")
    import tempfile

    tempfile.tempdir = None


def _disk_full(project: Path, free_bytes: int = 0) -> None:
    _on_own_disk(project, "size=64m")
    (project / "spare").write_bytes(bytes(free_bytes))
    _fill(project / "filler")
    (project / "spare").unlink()


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC


def _no_inodes(project: Path) -> None:
    _on_own_disk(project, "size=64m,nr_inodes=3000")
    try:
        for number in range(3001):
            (project / "tmp" / str(number)).touch()
    except OSError as error:
        assert error.errno == errno.ENOSPC


def _read_only(project: Path) -> None:
    _on_own_disk(project, "size=64m")
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.mount(b"tmpfs", bytes(project), b"tmpfs", _REMOUNT | _READ_ONLY, b"size=64m"))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _become_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut": _cut,
    "zeros": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "empty": lambda file: file.write_bytes(b""),
    "folder": _become_folder,
}


def _store_held(project: Path) -> None:
    """By another process, until the command has said that it waits."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        connection = sqlite3.connect(next(project.glob("runs/*/metadata.sqlite")))
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        os.write(writer, b"held")
        said, end_s = project.with_name("err"), time.monotonic() + _HELD_S
        while not said.stat().st_size and time.monotonic() < end_s:
            time.sleep(0.02)
        os._exit(0)
    os.read(reader, 4)


def _registry_dead(project: Path) -> None:
    """Nobody listens where MLflow is said to be."""
    file = project / "workflow.yaml"
    text = file.read_text().replace("  kind: none", "  kind: mlflow\n  uri: http://127.0.0.1:9")
    file.write_text(text)


def _small_files(project: Path) -> None:
    """Files may not grow: what a quota does to SQLite and TFRecords."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


TROUBLES: dict[str, Callable[[Path], None]] = {
    "": lambda project: None,
    "closed output": lambda project: os.close(1),
    "closed output and error": lambda project: os.closerange(1, 3),
    "reader gone": _reader_gone,
    "output full": lambda project: os.dup2(os.open("/dev/full", os.O_WRONLY), 1) and None,
    "disk full": _disk_full,
    "disk almost full": lambda project: _disk_full(project, 20_000),
    "no inodes": _no_inodes,
    "read only": _read_only,
    "store held": _store_held,
    "registry dead": _registry_dead,
    "small files": _small_files,
}


if __name__ == "__main__":
    _serve()
