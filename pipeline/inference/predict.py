"""Answers what is said in audio files, with the model of a workflow that is served.

A file is decoded as ingest did it for training, and the model conditions it; for a model of an
earlier version, which cannot, it is conditioned here, by the settings that lie in the model. The
workflow only says where the model is. TensorFlow is imported once there is something to answer.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from pydantic import BaseModel, Field, ValidationError

from components.inference.asking import (
    MOST_SAMPLES_AT_ONCE,
    AskedModel,
    SavedModel,
    most_at_once,
    refusal,
)
from components.saved_model import load_saved_model
from components.storage.location import Location
from components.tasks.feeding import Answer as GivenAnswer
from components.versions.ledger import read_ledger
from components.versions.manifest import check_version, verify
from components.versions.model_card import read_card
from components.versions.serving import Version, newest_version, pushed_versions
from pipeline.inference.reading import ReadClip, Sound, read_clips
from pipeline.inference.tensorflow_import import import_tensorflow
from pipeline.workspace.lock import check_reader
from pipeline.workspace.ownership import check_serving_owner
from pipeline.workspace.project import Project
from schemas.errors import ClipError, InputError, VersionError
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


class Answer(BaseModel):
    """What a model answers, as text, and its confidence from 0 to 1; None where it gives none."""

    label: str
    score: float | None


class FilePrediction(BaseModel):
    """What was answered for one file, most likely first; or why nothing was.

    `heard`: whether the first answer is a word, with a score that reaches the model's threshold;
    None where the model has none, or nothing was answered. `is_none`: whether the clip is none of
    the words, as far as the model can tell; None where it cannot. `notes` say which part of the
    clip was heard where it was cropped, and what else a person should know of it.
    """

    file: str
    answers: list[Answer]
    heard: bool | None
    is_none: bool | None = None
    notes: list[str] = Field([])
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


class ConditioningModel(SavedModel, Protocol):
    """One that conditions clips itself."""

    condition: "Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]"


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

    def predict(self, files: Sequence[str | Path | bytes], top: int = 1) -> Predictions:
        """The `top` best answers to each audio file, in the order of `files`; a file that cannot be
        used has an `error` instead. Bytes are what is in an audio file, which is then called `-`.

        Raises:
            InputError: the model cannot be loaded.
        """
        sounds = [file if isinstance(file, bytes) else Path(file) for file in files]
        notes: list[list[str]] = []

        def noted() -> Iterator[ReadClip | str]:
            for clip in self.read(sounds):
                notes.append([] if isinstance(clip, str) else clip.notes)
                yield clip

        answered = list(self.answer(noted(), top))
        return Predictions(
            model=self.card.name,
            version=self.version,
            run=self.run,
            generated=self.card.generated,
            threshold=self.card.threshold,
            files=[
                self._prediction("-" if isinstance(sound, bytes) else str(sound), answers, said)
                for sound, answers, said in zip(sounds, answered, notes, strict=True)
            ],
        )

    def read(self, sounds: Sequence[Sound]) -> Iterator[ReadClip | str]:
        """Each file as this model takes it; or why it cannot be used."""
        return read_clips(sounds, self.card, conditioned=not self.card.conditions)

    def answer(self, clips: Iterable[ReadClip | str], top: int) -> Iterator[list[Answer] | str]:
        """The `top` best answers to each clip as `read` gives it, or why there are none."""
        for batch in _batches(clips, most_at_once(self.card)):
            heard = [each.waveform for each in batch if not isinstance(each, str)]
            asked = AskedModel(self.saved_model, self.card).answer(heard, top) if heard else []
            answers = map(_shown, asked)
            for clip in batch:
                yield clip if isinstance(clip, str) else next(answers)

    def hear(self, clip: "np.ndarray") -> "np.ndarray | str":
        """The waveform of a clip as `read` gives it, conditioned: what the features are made of,
        float32 [samples]. Or why it cannot be used.
        """
        import numpy as np

        if not self.card.conditions:
            return clip
        model = cast(ConditioningModel, self.saved_model)
        waveform, _, [error] = model.condition(clip[None], np.array([len(clip)], np.int32))
        reason = error.numpy().decode()
        return str(refusal(clip, reason, self.card)) if reason else waveform.numpy()[0]

    def _prediction(
        self, file: str, answers: list[Answer] | str, notes: list[str]
    ) -> FilePrediction:
        if isinstance(answers, str):
            return FilePrediction(file=file, answers=[], heard=None, error=answers)
        heard = is_none = None
        if answers and answers[0].score is not None:
            best, score = answers[0].label, answers[0].score
            heard, is_none = self.card.is_heard(best, score), self.card.is_none(best, score)
        return FilePrediction(
            file=file, answers=answers, heard=heard, is_none=is_none, notes=notes, error=None
        )


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
    record = read_ledger(project.run_directory.ledger).find(number)
    if record is None:
        verify(folder)
    else:
        check_version(record, folder)
    return TrainedModel(folder, published_card(folder), version=number)


def served_version(project: Project) -> Version:
    """The version that is served.

    Raises:
        InputError: there is none, or it is another workflow's.
    """
    check_reader(project)
    check_serving_owner(project)
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


def _batches(clips: Iterable[ReadClip | str], most: int) -> Iterator[list[ReadClip | str]]:
    """Clips that follow each other, up to `most`; padded, they fit into `MOST_SAMPLES_AT_ONCE`."""
    batch: list[ReadClip | str] = []
    longest = 0
    for clip in clips:
        samples = 0 if isinstance(clip, str) else len(clip.waveform)
        longest = max(longest, samples)
        if batch and (len(batch) == most or longest * (len(batch) + 1) > MOST_SAMPLES_AT_ONCE):
            yield batch
            batch, longest = [], samples
        batch.append(clip)
    if batch:
        yield batch


def _shown(found: "list[GivenAnswer] | ClipError") -> list[Answer] | str:
    if isinstance(found, ClipError):
        return str(found)
    return [Answer(label=each.text, score=each.score) for each in found]


def _load_saved_model(version: Location) -> SavedModel:
    """The SavedModel in the folder `version`; InputError where it cannot be loaded."""
    tf = import_tensorflow()
    try:
        with version.local_copy() as folder:
            return load_saved_model(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise InputError(f"{version} cannot be loaded: {error}") from error
