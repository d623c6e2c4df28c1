"""Answers what is said in audio files, with the model of a workflow that is served.

A file is decoded and conditioned as ingest did it for training, by the settings that lie in the
model; the workflow only says where the model is. TensorFlow is imported by `load_model`, once there
is something to answer.
"""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from components.audio.condition import condition
from components.audio.decode import decode
from components.subprocess_pool import Failure, SubprocessPool
from components.versions.manifest import verify
from components.versions.serving import newest_version
from pipeline.workspace.project import Project
from schemas.errors import ClipError, InputError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio

if TYPE_CHECKING:
    import numpy as np

_BATCH = 64


class Answer(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class FilePrediction(BaseModel):
    """What was answered for one file, most likely first; or why nothing was.

    `heard`: whether the first answer is a word, with a score that reaches the model's threshold;
    None where the model has none, or nothing was answered.
    """

    file: str
    answers: list[Answer]
    heard: bool | None
    error: str | None


class Predictions(BaseModel):
    """All answers, and the model that gave them."""

    model: str
    version: int
    generated: bool
    threshold: float | None
    files: list[FilePrediction]

    @property
    def failed(self) -> bool:
        """Whether a file could not be used."""
        return any(file.error is not None for file in self.files)


def predict_files(project: Project, files: list[Path], top: int) -> Predictions:
    """The `top` most likely labels of each file, in the order of `files`.

    Raises InputError where no model was pushed yet, or what lies there cannot be used.
    """
    version = served_version(project)
    card = read_card(version)
    clips: dict[Path, np.ndarray] = {}
    errors: dict[Path, str] = {}
    for file, clip in zip(files, read_clips(files, card.audio), strict=True):
        if isinstance(clip, str):
            errors[file] = clip
        else:
            clips[file] = clip
    answers = dict(zip(clips, answer_clips(version, card, list(clips.values()), top), strict=True))
    return Predictions(
        model=card.name,
        version=int(version.name),
        generated=card.generated,
        threshold=card.threshold,
        files=[
            FilePrediction(
                file=str(file),
                answers=(said := answers.get(file, [])),
                heard=card.is_heard(said[0].label, said[0].score) if said else None,
                error=errors.get(file),
            )
            for file in files
        ],
    )


def served_version(project: Project) -> Path:
    """The folder of the model that is served, every file of it verified.

    Raises:
        InputError: there is none.
        VersionError: it is not what was pushed.
    """
    serving = project.run_directory.serving
    newest = newest_version(serving)
    if newest is None:
        raise InputError(
            f"{project.name} has no pushed model in {serving}; `auricle run` makes one"
        )
    verify(newest)
    return newest


def read_card(version: Path) -> ModelCard:
    """The card inside a pushed model; InputError where there is none."""
    path = version / MODEL_CARD_FILE
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{version} is no model that auricle pushed: {path}: {error}") from error


def read_clips(files: list[Path], audio: Audio) -> Iterator["np.ndarray | str"]:
    """Each file as a model of these settings takes it, float32 [clip_samples]; or why it cannot be
    used.

    Decoding happens in a child process, so a file that crashes a decoder costs itself only.
    """
    pool = SubprocessPool(ClipReader(audio))
    try:
        for clip in pool.map(files):
            yield clip.detail if isinstance(clip, Failure) else clip
    finally:
        pool.close()


@dataclass(frozen=True)
class ClipReader:
    """A file becomes float32 [clip_samples], or the words that say why not; in a child process."""

    audio: Audio

    def __call__(self, file: Path) -> "np.ndarray | str":
        try:
            waveform = decode(file.read_bytes(), self.audio.sample_rate).waveform
            return condition(waveform, self.audio)
        except ClipError as error:
            return str(error)
        except OSError as error:
            return str(error.strerror)


def answer_clips(
    version: Path, card: ModelCard, clips: list["np.ndarray"], top: int
) -> Iterator[list[Answer]]:
    """The `top` most likely labels of clips as `read_clips` gives them."""
    if not clips:
        return
    import numpy as np

    model = load_model(version)  # a signature alone does not keep the model's variables alive
    serve = model.signatures["serving_default"]
    for first in range(0, len(clips), _BATCH):
        scores = serve(waveform=np.stack(clips[first : first + _BATCH]))["scores"].numpy()
        for row in scores:
            best = np.argsort(-row, kind="stable")[:top]
            yield [Answer(label=card.labels[index], score=float(row[index])) for index in best]


def load_model(version: Path) -> Any:
    """The SavedModel in the folder `version`; InputError where it cannot be loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; has to come before the import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about Python is no answer to a person
        import tensorflow as tf

    try:
        return tf.saved_model.load(str(version))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{version} cannot be loaded: {error}") from error
