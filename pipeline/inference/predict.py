"""Answers what is said in audio files, with the model of a workflow that is served.

A file is decoded and conditioned as ingest did it for training, by the settings that lie in the
model; the workflow only says where the model is. TensorFlow is imported once there is something to
answer.
"""

import functools
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ValidationError

from components.audio.condition import condition
from components.audio.decode import decode
from components.audio.limits import MAX_DURATION_S
from components.storage.location import Location
from components.subprocess_pool import Failure, SubprocessPool
from components.tasks import feeding
from components.versions.manifest import verify
from components.versions.model_card import read_card
from components.versions.serving import Version, newest_version, pushed_versions
from pipeline.workspace.project import Project
from schemas.errors import ClipError, InputError, VersionError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

_BATCH = 64


class Answer(BaseModel):
    """What a model answers, as text, and its confidence from 0 to 1; None where it gives none."""

    label: str
    score: float | None


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
    version: int | None
    run: int | None = None
    generated: bool
    threshold: float | None
    files: list[FilePrediction]

    @property
    def failed(self) -> bool:
        """Whether a file could not be used."""
        return any(file.error is not None for file in self.files)


class SavedModel(Protocol):
    """What TensorFlow loads: signatures by name, each from inputs to outputs by name."""

    signatures: "Mapping[str, Callable[..., Mapping[str, tf.Tensor]]]"


@dataclass(frozen=True)
class TrainedModel:
    """A model that can be asked: a published `version`, every file of which was verified, or what a
    `run` trained and nobody published.
    """

    folder: Location
    card: ModelCard
    version: int | None = None
    run: int | None = None

    @functools.cached_property
    def saved_model(self) -> SavedModel:
        """The SavedModel; importing TensorFlow for it takes seconds.

        Raises:
            InputError: it cannot be loaded.
        """
        return _load_saved_model(self.folder)

    def predict(self, files: Sequence[str | Path], top: int = 1) -> Predictions:
        """The `top` best answers to each audio file, in the order of `files`; a file that cannot be
        used has an `error` instead.

        Raises:
            InputError: the model cannot be loaded.
        """
        paths = [Path(file) for file in files]
        clips: dict[Path, np.ndarray] = {}
        errors: dict[Path, str] = {}
        for path, clip in zip(
            paths, read_clips(paths, self.card.audio, self.card.task), strict=True
        ):
            if isinstance(clip, str):
                errors[path] = clip
            else:
                clips[path] = clip
        answers = dict(zip(clips, self.answer(list(clips.values()), top), strict=True))
        return Predictions(
            model=self.card.name,
            version=self.version,
            run=self.run,
            generated=self.card.generated,
            threshold=self.card.threshold,
            files=[
                self._prediction(path, answers.get(path, []), errors.get(path)) for path in paths
            ],
        )

    def answer(self, clips: Sequence["np.ndarray"], top: int) -> Iterator[list[Answer]]:
        """The `top` best answers to clips as `read_clips` gives them."""
        if not clips:
            return
        import numpy as np

        serve = self.saved_model.signatures["serving_default"]
        part = feeding.serving(self.card.task)  # TensorFlow is there by now
        at_once = 1 if feeding.features(self.card.task).VARIABLE_LENGTH else _BATCH
        for first in range(0, len(clips), at_once):
            outputs = serve(waveform=np.stack(clips[first : first + at_once]))
            arrays = {name: values.numpy() for name, values in outputs.items()}
            for answers in part.read_answers(arrays, self.card, top):
                yield [Answer(label=each.text, score=each.score) for each in answers]

    def _prediction(self, file: Path, answers: list[Answer], error: str | None) -> FilePrediction:
        best = answers[0] if answers else None
        return FilePrediction(
            file=str(file),
            answers=answers,
            heard=self._is_heard(best),
            error=error,
        )

    def _is_heard(self, best: Answer | None) -> bool | None:
        if best is None or best.score is None:
            return None
        return self.card.is_heard(best.label, best.score)


def load_model(project: Project, version: int | None = None) -> TrainedModel:
    """The model of a project that is served, or another published `version` of it.

    Raises:
        InputError: there is none, or no model that auricle published.
        VersionError: no such version is there, or it is not what was published.
    """
    served, serving = served_version(project), project.run_directory.serving
    number = served.number if version is None else version
    folder = dict(pushed_versions(serving)).get(number)
    if folder is None:
        raise VersionError(f"version {number} is not in {serving}; see `auricle models`")
    verify(folder)
    return TrainedModel(folder, published_card(folder), version=number)


def served_version(project: Project) -> Version:
    """The version that is served.

    Raises:
        InputError: there is none.
    """
    serving = project.run_directory.serving
    newest = newest_version(serving)
    if newest is None:
        raise InputError(
            f"{project.name} has no published model in {serving}; `auricle run` makes one, and"
            " --candidate asks the one that the last run trained"
        )
    return newest


def published_card(version: Location) -> ModelCard:
    """The card inside a published model; InputError where there is none."""
    try:
        return read_card(version)
    except (OSError, ValidationError) as error:
        path = version / MODEL_CARD_FILE
        raise InputError(
            f"{version} is no model that auricle published: {path}: {error}"
        ) from error


def read_clips(files: list[Path], audio: Audio, task: str) -> Iterator["np.ndarray | str"]:
    """Each file as a model of these settings takes it, float32 [samples]; or why it cannot be used.

    Decoding happens in a child process, so a file that crashes a decoder costs itself only.
    """
    longest_s = MAX_DURATION_S if feeding.features(task).VARIABLE_LENGTH else None
    pool = SubprocessPool(ClipReader(audio, longest_s))
    try:
        for clip in pool.map(files):
            yield clip.detail if isinstance(clip, Failure) else clip
    finally:
        pool.close()


@dataclass(frozen=True)
class ClipReader:
    """A file becomes float32 [samples], or the words that say why not; in a child process.

    With `longest_s` it keeps its length.
    """

    audio: Audio
    longest_s: float | None

    def __call__(self, file: Path) -> "np.ndarray | str":
        try:
            waveform = decode(file.read_bytes(), self.audio.sample_rate).waveform
            return condition(waveform, self.audio, longest_s=self.longest_s)
        except ClipError as error:
            return str(error)
        except OSError as error:
            return str(error.strerror)


def _load_saved_model(version: Location) -> SavedModel:
    """The SavedModel in the folder `version`; InputError where it cannot be loaded."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors only; has to come before the import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say about Python is no answer to a person
        import tensorflow as tf

    try:
        with version.local_copy() as folder:
            return tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{version} cannot be loaded: {error}") from error
