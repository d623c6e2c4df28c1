"""Recordings of a workflow that have no label, background and noise: found, looked at, and listed.

All that can be wrong with them is said before a model is trained.
"""

import glob
import hashlib
from collections.abc import Iterable
from pathlib import Path

from components.audio.probe import probe
from components.example_gen.file_names import is_other_file
from components.example_gen.index import IndexRef, write_whole
from components.example_gen.patterns import common_root, matching_files, name_below, place_of
from components.storage.contents import digest_files
from components.storage.location import Location, location_of
from schemas.background import (
    BACKGROUND_LIST,
    LONGEST_S,
    SHORTEST_NOISE_S,
    BackgroundRecording,
)
from schemas.errors import DataError
from schemas.utterance import Utterance
from schemas.workflow.augment import Noise
from schemas.workflow.data import Data

_KEY, _NOISE_KEY = "data.background", "augment.noise.recordings"
_FEWEST_CLIPS = 2  # one to choose a threshold by, one to judge it by


def list_background(
    data: Data, clip_s: float, workflow_dir: Path, utterances: Iterable[Utterance]
) -> list[BackgroundRecording]:
    """The recordings of `data.background`, by path; relative patterns start at `workflow_dir`.

    A folder stands for the files in it. Of a folder or a glob, notes and pictures are left out.

    Raises:
        DataError: a pattern matches nothing, a file's header cannot be read, there is less than two
            clips of it all, or a recording is one of those that `utterances` are in.
    """
    recordings = _list(_KEY, data.background, workflow_dir, utterances)
    if recordings and sum(each.length_s for each in recordings) < _FEWEST_CLIPS * clip_s:
        raise DataError(
            f"{_KEY}: all recordings together are shorter than {_FEWEST_CLIPS} clips of"
            f" {clip_s:g} s; hours of them are what a rate of false alarms can be told from"
        )
    return recordings


def list_noise(
    noise: Noise, workflow_dir: Path, utterances: Iterable[Utterance]
) -> list[BackgroundRecording]:
    """The recordings of `augment.noise`, in the same way.

    Raises:
        DataError: as `list_background`; or they are shorter than a second together.
    """
    recordings = _list(_NOISE_KEY, noise.recordings, workflow_dir, utterances)
    if recordings and sum(each.length_s for each in recordings) < SHORTEST_NOISE_S:
        raise DataError(
            f"{_NOISE_KEY}: all recordings together are shorter than {SHORTEST_NOISE_S:g} s,"
            " too little to be divided between training and evaluation"
        )
    return recordings


def _list(
    key: str, written: str | list[str] | None, workflow_dir: Path, utterances: Iterable[Utterance]
) -> list[BackgroundRecording]:
    """The recordings that a key of the workflow names."""
    if written is None:
        return []
    patterns = [written] if isinstance(written, str) else written
    patterns = [_inside_folder(key, pattern, workflow_dir) for pattern in patterns]
    files = _find(key, patterns, workflow_dir)
    named = {str(file.normalised()): str(file) for file in files}
    rows = (str(location_of(row.path).normalised()) for row in utterances if row.path)
    if both := sorted({named[path] for path in rows if path in named}):
        more = f" ({len(both)} files are)" if len(both) > 1 else ""
        raise DataError(
            f"{key}: expected recordings without any of the words; {both[0]} has a label in this"
            f" workflow's data{more}"
        )
    return _look_at(key, files, common_root(patterns, workflow_dir))


def write_recordings(
    recordings: list[BackgroundRecording],
    kind: str,
    directory: Path | Location,
    cache_path: Path | None = None,
) -> IndexRef:
    """Writes `<kind>-<digest>.json` into `directory`; nothing, and no uri, of no recordings.

    The digest covers names and content, not where the files lie.
    """
    if not recordings:
        return IndexRef("", "")
    contents = digest_files([recording.path for recording in recordings], cache_path)
    listed = [
        recording.model_copy(update={"sha256": contents[recording.path]})
        for recording in recordings
    ]
    digest = hashlib.sha256()
    for recording in listed:
        digest.update(recording.model_dump_json(include={"name", "sha256"}).encode())
    uri = location_of(directory) / f"{kind}-{digest.hexdigest()[:16]}.json"
    write_whole(uri, BACKGROUND_LIST.dump_json(listed, indent=2))
    return IndexRef(str(uri), digest.hexdigest())


def _inside_folder(key: str, pattern: str, workflow_dir: Path) -> str:
    """The pattern; of a folder, of all that is in it."""
    try:
        is_folder = any(place_of(pattern, workflow_dir).children())
    except OSError as error:
        words = error.strerror or error
        raise DataError(f"{key}: {pattern} cannot be read: {words}") from error
    return f"{pattern.rstrip('/')}/*" if is_folder else pattern


def _find(key: str, patterns: list[str], workflow_dir: Path) -> list[Location]:
    files = []
    for pattern in patterns:
        found = matching_files(key, [pattern], workflow_dir)
        if glob.has_magic(pattern):
            found = [file for file in found if not is_other_file(file.name)]
        if not found:
            raise DataError(f"{key}: {pattern} matches no recording (looked in {workflow_dir})")
        files += found
    return sorted(set(files), key=str)


def _look_at(key: str, files: list[Location], root: Location | None) -> list[BackgroundRecording]:
    """Each file with the length that its header claims."""
    recordings, faults = [], []
    for file, header in zip(files, probe(map(str, files)), strict=True):
        name = name_below(root, file)
        if isinstance(header, str):
            faults.append(f"{name}: {header}")
        else:
            length_s = min(header.duration_s, LONGEST_S)
            recordings.append(BackgroundRecording(name=name, path=str(file), length_s=length_s))
    if faults:
        more = f" ({len(faults)} files cannot)" if len(faults) > 1 else ""
        raise DataError(f"{key}: expected recordings that can be read; {faults[0]}{more}")
    return recordings
