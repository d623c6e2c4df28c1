"""Audio files as models take them: found in folders, decoded in a child process, never trusted."""

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.hearing import hearing_notes, recording_notes
from components.example_gen.file_names import AUDIO_SUFFIXES, is_audio, is_no_label
from components.inference.asking import AudioTask, longest_s
from components.storage.local import open_regular
from components.subprocess_pool import Failure, SubprocessPool
from schemas.errors import ClipError, InputError
from schemas.workflow.audio import Audio

if TYPE_CHECKING:
    import numpy as np

MOST_BYTES = 1 << 30  # of a file, and of standard input

Sound = Path | bytes  # a file, or what is in one


@dataclass(frozen=True)
class ReadClip:
    """A clip, float32 [samples], and what to know of the part of it that a model hears."""

    waveform: "np.ndarray"
    notes: list[str]


def find_audio(paths: Sequence[Path]) -> list[Path]:
    """`paths` with each folder replaced by the audio files in it and in the folders in it, sorted;
    what is hidden, of the operating system, or background noise is left out.

    Raises:
        InputError: a folder has no audio file.
    """
    found = []
    for path in paths:
        if not _is_folder(path):
            found.append(path)
            continue
        inside = sorted(
            file
            for pattern in ("*", "*/*")
            for file in path.glob(pattern)
            if is_audio(file.name)
            and not any(map(is_no_label, file.relative_to(path).parts[:-1]))
            and file.is_file()
        )
        if not inside:
            _refuse_locked(path)
            raise InputError(
                f"{path}: no audio file in this folder or one level below; expected one of"
                f" {' '.join(AUDIO_SUFFIXES)}"
            )
        found += inside
    return found


def _refuse_locked(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long, or nobody may look: said when it is read
        return False


def read_audio_file(path: Path) -> bytes:
    """The content of a regular file of up to `MOST_BYTES`.

    Raises:
        OSError: it cannot be read, is a pipe, a device or the like, or holds more.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > MOST_BYTES:
            content = None
        else:  # some files of the system state no size
            content = file.read(MOST_BYTES + 1) or b""
    if content is None or len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"more than {MOST_BYTES >> 30} GiB, and no clip", str(path))
    return content


def read_clips(
    sounds: Sequence[Sound], card: AudioTask, conditioned: bool
) -> Iterator[ReadClip | str]:
    """Each file at the rate of `card`; or why it cannot be used.

    With `conditioned` as ingest stores it, save that it is not rounded to 16 bits. Decoding happens
    in a child process, so a file that crashes a decoder costs itself only.
    """
    pool = SubprocessPool(ClipReader(card.audio, conditioned, longest_s(card)))
    try:
        for clip in pool.map(sounds):
            yield clip.detail if isinstance(clip, Failure) else clip
    finally:
        pool.close()


@dataclass(frozen=True)
class ClipReader:
    """A file becomes a clip, or the words that say why not; in a child process.

    With `conditioned` it is what ingest would make of it; with `longest_s` it keeps its length.
    """

    audio: Audio
    conditioned: bool
    longest_s: float | None

    def __call__(self, sound: Sound) -> ReadClip | str:
        try:
            content = sound if isinstance(sound, bytes) else read_audio_file(sound)
            decoded = decode(content, self.audio.sample_rate).checked(self.audio)
            clip = raw = decoded.waveform
            if self.conditioned:
                clip = condition(raw, self.audio, longest_s=self.longest_s)
        except ClipError as error:
            return str(error)
        except OSError as error:
            return str(error.strerror)
        notes = [] if self.longest_s is not None else hearing_notes(raw, self.audio)
        return ReadClip(clip, [*recording_notes(decoded), *notes])
