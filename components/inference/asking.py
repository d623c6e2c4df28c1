"""What a published model answers to decoded clips: the one way in which commands ask it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from components.audio.condition import condition
from components.audio.limits import MAX_DURATION_S
from components.tasks import feeding
from components.tasks.feeding import Answer
from schemas.errors import ClipError
from schemas.reports.model_card import ModelCard
from schemas.workflow.audio import Audio

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

MOST_AT_ONCE = 64
MOST_SAMPLES_AT_ONCE = 1 << 24  # of a padded batch: 64 MiB


class AudioTask(Protocol):
    """A model card, or a workflow: settings of audio, and what is learned from it."""

    @property
    def audio(self) -> Audio:
        """What clips become."""

    @property
    def task(self) -> str:
        """By its name."""


class SavedModel(Protocol):
    """What TensorFlow loads: signatures by name, each from inputs to outputs by name."""

    signatures: "Mapping[str, Callable[..., Mapping[str, tf.Tensor]]]"


def longest_s(card: AudioTask) -> float | None:
    """How long a clip may be where it keeps its length; None where it does not."""
    return MAX_DURATION_S if feeding.features(card.task).VARIABLE_LENGTH else None


def most_at_once(card: ModelCard) -> int:
    """How many clips the model can be asked about at a time."""
    return MOST_AT_ONCE if card.conditions or not longest_s(card) else 1


def refusal(clip: "np.ndarray", reason: str, card: ModelCard) -> ClipError:
    """What ingest says to a clip that the model refuses for `reason`."""
    try:
        condition(clip, card.audio, longest_s=longest_s(card))
    except ClipError as error:
        return error
    return ClipError(reason, "the model refuses it")


@dataclass(frozen=True)
class AskedModel:
    """A model that was loaded, and its card."""

    saved_model: SavedModel
    card: ModelCard

    def answer(self, clips: Sequence["np.ndarray"], top: int) -> list[list[Answer] | ClipError]:
        """The `top` best answers to each of up to `most_at_once` clips, float32 [samples] at the
        model's rate, and conditioned where the model does not do that; or why there are none.
        """
        if not clips:
            return []
        import numpy as np

        signatures = self.saved_model.signatures
        lengths = np.array([len(clip) for clip in clips], np.int32)
        padded = np.zeros((len(clips), lengths.max()), np.float32)
        for row, clip in zip(padded, clips, strict=True):
            row[: len(clip)] = clip
        if self.card.conditions:
            outputs = signatures["serving_lengths"](waveform=padded, lengths=lengths)
        else:
            outputs = signatures["serving_default"](waveform=padded)
        arrays = {name: values.numpy() for name, values in outputs.items()}
        errors = arrays.pop("error") if self.card.conditions else np.full(len(clips), b"")
        part = feeding.serving(self.card.task)  # TensorFlow is there by now
        answers = part.read_answers(arrays, self.card, top)
        return [
            refusal(clip, error.decode(), self.card) if error else best
            for clip, error, best in zip(clips, errors, answers, strict=True)
        ]
