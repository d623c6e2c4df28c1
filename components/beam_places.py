"""Where Beam reads and writes: in place by workers elsewhere, on this machine by those here.

Beam opens a client for each of its reads and writes in a store. Of the small files of a run that
takes longer than to copy them.
"""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

from components.storage.location import location_of
from components.storage.plain_path import plain_path

_RUNNERS_HERE = ("DirectRunner", "FnApiRunner")


def is_beam_here(beam_args: Iterable[str] | None) -> bool:
    """Whether pipelines with these arguments run on this machine alone."""
    runners = [each.partition("=")[2] for each in beam_args or () if each.startswith("--runner=")]
    return all(runner.endswith(_RUNNERS_HERE) for runner in runners)


@contextlib.contextmanager
def _here(place: AbstractContextManager[object]) -> Iterator[str]:
    with place as folder, plain_path(str(folder)) as path:
        yield path


def read_by_beam(uri: str, beam_args: Iterable[str] | None) -> AbstractContextManager[str]:
    """A path or URI by which Beam's workers read a folder, and which is no pattern."""
    return _here(location_of(uri).local_copy()) if is_beam_here(beam_args) else plain_path(uri)


def written_by_beam(uri: str, beam_args: Iterable[str] | None) -> AbstractContextManager[str]:
    """The same of a folder that they write, which has the files when the block ends."""
    return _here(location_of(uri).local_draft()) if is_beam_here(beam_args) else plain_path(uri)
