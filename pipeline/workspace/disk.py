"""Free space in a run directory: what a run needs, and what a full disk does to it."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from components.versions.serving import Version, newest_version
from pipeline.workspace.machine import is_full
from pipeline.workspace.paths import RunDirectory
from schemas.errors import AuricleError, RunDirectoryError
from schemas.workflow.workflow import Workflow

_FEATURE_BYTES = 1000  # of one example, beside its samples
_OVERHEAD_BYTES = 100_000_000  # models, statistics, metadata and reports of a run


def needed_bytes(workflow: Workflow, clips: int) -> int:
    """About what a run over `clips` clips writes: 16-bit samples, features, models, reports."""
    clip_samples = round(workflow.audio.clip_s * workflow.audio.sample_rate)
    return _OVERHEAD_BYTES + clips * (2 * clip_samples + _FEATURE_BYTES)


def require_space(directory: Path, needed_bytes: int) -> None:
    """Refuses to start what cannot end: `needed_bytes` have to be free where `directory` is."""
    free = free_bytes(directory)
    if free < needed_bytes:
        raise RunDirectoryError(
            f"not enough space in {directory}: {free / 1e6:,.0f} MB free, "
            f"about {needed_bytes / 1e6:,.0f} MB needed"
        )


def existing_folder(path: Path) -> Path:
    """The nearest folder, from `path` upwards, that is there."""
    return next(each for each in (path, *path.parents) if each.exists())


def free_bytes(path: Path) -> int:
    """How much can be written where `path` is or is to be."""
    return shutil.disk_usage(existing_folder(path)).free


def check_writable(path: Path) -> None:
    """Refuses a folder that could not be made or written, and leaves everything as it is.

    Raises:
        RunDirectoryError: says why.
    """
    try:
        with tempfile.TemporaryDirectory(dir=existing_folder(path)):
            pass
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write {path}: {error.strerror}; name another in run.directory or"
            " push.directory"
        ) from error


@contextlib.contextmanager
def explain_full_disk(directory: RunDirectory) -> Iterator[None]:
    """Says in words what a full disk does to a run, whatever library met it, and what is served."""
    before = newest_version(directory.serving)
    try:
        yield
    except AuricleError:
        raise
    except Exception as error:
        if is_full(error):
            raise RunDirectoryError(
                f"the disk of {directory.root} is full; {_published_since(before, directory)}. Free"
                " some space and run again: finished steps are kept"
            ) from error
        raise


def _published_since(before: Version | None, directory: RunDirectory) -> str:
    newest = newest_version(directory.serving)
    if newest is None or newest == before:
        return "nothing was published"
    return (
        f"version {newest.number} was published and is served, and the next run writes down what is"
        " missing about it"
    )
