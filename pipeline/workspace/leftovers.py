"""What is unfinished in a run directory: where it lies while a command works, and that what a
killed one left is gone before the next begins. All of it may hold people's voices.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.workspace.paths import RunDirectory

# As storages and Beam call what they write before it is whole.
_DRAFT = re.compile(r".+\.[0-9a-f]{32}")
_CLIP = re.compile(r"([0-9a-f]{64})\..+")  # of the field, by its digest
_FOLDERS = re.compile(r"\.scratch|beam-temp-.+")
# Where only who holds the run directory writes.
_HELD = ("artifacts", "checkpoints", "feedback", "history", "index", "rejects", "shards")


@contextlib.contextmanager
def scratch_folder(directory: RunDirectory) -> Iterator[Path]:
    """A new folder for who holds the run directory, which is gone afterwards."""
    directory.scratch.mkdir(parents=True)
    try:
        yield directory.scratch
    finally:
        shutil.rmtree(directory.scratch, ignore_errors=True)


def sweep(directory: RunDirectory) -> None:
    """Deletes what a killed command left unfinished. For who holds the run directory."""
    shutil.rmtree(directory.scratch, ignore_errors=True)
    _drop_clips_without_rows(directory)
    for name in _HELD:
        for parent, folders, files in os.walk(directory.local / name):
            for folder in filter(_FOLDERS.fullmatch, list(folders)):
                shutil.rmtree(Path(parent, folder), ignore_errors=True)
                folders.remove(folder)
            for file in filter(_DRAFT.fullmatch, files):
                Path(parent, file).unlink(missing_ok=True)


def _drop_clips_without_rows(directory: RunDirectory) -> None:
    """Clips of the field come before their rows, and go after them."""
    folder = directory.feedback.parent
    clips = [found for name in folder.children()[0] if (found := _CLIP.fullmatch(name))]
    if not clips:
        return
    rows = directory.feedback.read() if directory.feedback.is_present() else b""
    known = set(re.findall(r"[0-9a-f]{64}", rows.decode(errors="replace")))
    for clip in clips:
        if clip[1] not in known:
            (folder / clip[0]).delete()
