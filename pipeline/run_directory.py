"""The run directory: what lies where in it, whose it is, and that only one run writes it at a time.

runs/<workflow name>/
    workflow.json      the workflow this directory belongs to
    metadata.sqlite    ML Metadata: every execution and artifact
    artifacts/         what the components wrote
    serving/<version>/ the pushed models
    versions.json      all versions there ever were, and what became of them
    registry.sqlite    the embedded model registry, an MLflow database; its files in registry/
    report.html        the last run's report
    timings.json       how long the steps of the last run took
    rejects/           the rows that the last ingest could not use, with reasons
    index/             the source index: every row, where its audio is, its content's hash; and the
                       list of background recordings
    shards/            finished shards of the last ingest, so that the next redoes what changed
    checkpoints/       unfinished trainings, to be continued
    feedback/          clips from the field, and the manifest that joins them to the data
    forgotten.json     the speakers that later runs leave out, without their names
    logs/              a file a run
    history/           a record of each judged run, by number
    seen.json          what the last finished run was made from; its recordings in seen-files.json
    decisions.jsonl    what the schedule decided each time, and why
    schedule.sqlite    when it is due next
"""

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from components.durable import replace_file
from schemas.errors import AuricleError, BusyError, RunDirectoryError
from schemas.reports import REJECTS_FILE, TIMINGS_FILE
from schemas.workflow import Workflow

IDENTITY_FILE = "workflow.json"
_LOCK = ".lock"
_LOOK_S = 0.05


@dataclass(frozen=True)
class RunDirectory:
    """Paths of one run directory, all absolute."""

    root: Path
    serving: Path

    @property
    def metadata(self) -> Path:
        return self.root / "metadata.sqlite"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def scratch(self) -> Path:
        """For who holds the run directory; what is found there was left by a kill."""
        return self.root / ".scratch"

    @property
    def digests(self) -> Path:
        return self.root / "digests.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def shards(self) -> Path:
        return self.root / "shards"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def rejects(self) -> Path:
        return self.root / "rejects" / REJECTS_FILE

    @property
    def ledger(self) -> Path:
        return self.root / "versions.json"

    @property
    def step(self) -> Path:
        """There while a rollback or promotion goes on: the newest version before it."""
        return self.root / ".step"

    @property
    def history(self) -> Path:
        return self.root / "history"

    @property
    def seen(self) -> Path:
        return self.root / "seen.json"

    @property
    def seen_files(self) -> Path:
        return self.root / "seen-files.json"

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.jsonl"

    @property
    def schedule(self) -> Path:
        return self.root / "schedule.sqlite"

    @property
    def feedback(self) -> Path:
        """The manifest of the clips from the field, which lie beside it."""
        return self.root / "feedback" / "manifest.jsonl"

    @property
    def forgotten(self) -> Path:
        return self.root / "forgotten.json"

    @property
    def report(self) -> Path:
        return self.root / "report.html"

    @property
    def timings(self) -> Path:
        return self.root / TIMINGS_FILE


def local_run_directory(workflow: Workflow, base: Path) -> RunDirectory:
    """`locate_run_directory` of a workflow that runs on this machine.

    Raises:
        RunDirectoryError: it runs elsewhere.
    """
    if "://" in (workflow.run.directory or ""):
        raise RunDirectoryError(f"{workflow.run.directory} is not on this machine")
    return locate_run_directory(workflow, base)


def locate_run_directory(workflow: Workflow, base: Path) -> RunDirectory:
    """Where this workflow runs; relative paths are meant from `base`, the folder of its file."""
    root = (base / (workflow.run.directory or f"runs/{workflow.name}")).resolve()
    return RunDirectory(root=root, serving=(root / workflow.push.directory).resolve())


@contextlib.contextmanager
def claim(directory: RunDirectory, workflow: Workflow) -> Iterator[None]:
    """Holds the run directory for one run.

    Raises:
        BusyError: another run holds it.
        RunDirectoryError: it belongs to another workflow, holds other files, or cannot be written.
    """
    what = f"workflow '{workflow.name}' is already running"
    advice = f" in {directory.root}; wait for it, or give this run its own run.directory"
    with lock(directory, _LOCK, what, advice):
        adopt(directory, workflow)
        yield


@contextlib.contextmanager
def lock(directory: RunDirectory, name: str, what: str, advice: str = "") -> Iterator[None]:
    """Holds the lock file `name` of a run directory, which says by which process it is held.

    Raises:
        BusyError: `what` another process does, its number, and `advice`.
        RunDirectoryError: the run directory cannot be written.
    """
    try:
        directory.root.mkdir(parents=True, exist_ok=True)
        file = (directory.root / name).open("a+")
    except OSError as error:
        raise RunDirectoryError(f"cannot write run directory {directory.root}: {error}") from error
    with file:
        try:
            _lock_exclusively(file)
        except BlockingIOError:
            file.seek(0)
            raise BusyError(f"{what} (process {file.read().strip()}){advice}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock_exclusively(file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        time.sleep(_LOOK_S)  # somebody may just be looking whether it is held
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(directory: RunDirectory) -> bool:
    """Whether a run is under way in it."""
    try:
        with (directory.root / _LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def adopt(directory: RunDirectory, workflow: Workflow) -> None:
    """Makes the run directory this workflow's, unless it is already.

    Raises:
        RunDirectoryError: it belongs to another workflow, or holds other files.
    """
    directory.root.mkdir(parents=True, exist_ok=True)
    identity = directory.root / IDENTITY_FILE
    if identity.exists():
        owner = Workflow.model_validate_json(identity.read_text()).name
        if owner != workflow.name:
            raise RunDirectoryError(
                f"{directory.root} belongs to workflow '{owner}', not '{workflow.name}'; "
                "name another run.directory"
            )
    elif foreign := sorted(p.name for p in directory.root.iterdir() if not p.name.startswith(".")):
        raise RunDirectoryError(
            f"{directory.root} is not a run directory and holds other files "
            f"({', '.join(foreign[:3])}); name an empty or a new run.directory"
        )
    replace_file(identity, workflow.model_dump_json(indent=2).encode())


def require_space(directory: Path, needed_bytes: int) -> None:
    """Refuses to start what cannot end: `needed_bytes` have to be free where `directory` is."""
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise RunDirectoryError(
            f"not enough space in {directory}: {free / 1e6:,.0f} MB free, "
            f"about {needed_bytes / 1e6:,.0f} MB needed"
        )


@contextlib.contextmanager
def explain_full_disk(directory: RunDirectory) -> Iterator[None]:
    """Says in words what a full disk does to a run, whatever library met it."""
    try:
        yield
    except AuricleError:
        raise
    except Exception as error:
        full_file = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        # TensorFlow, SQLite and Beam wrap the error and leave only its words.
        if full_file or any(
            words in str(error) for words in ("No space left on device", "disk is full")
        ):
            raise RunDirectoryError(
                f"the disk of {directory.root} is full; nothing was pushed. Free some space and "
                "run again: finished steps are kept"
            ) from error
        raise
