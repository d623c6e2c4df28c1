"""Why a pushed or exported model gave one class to one clip, by both methods."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.audio.mel import ms_to_samples
from components.explanation.attribution import (
    Attribution,
    Frames,
    integrated_gradients,
    occlusion,
)
from schemas.reports import ModelCard
from schemas.workflow import Audio, Frontend

_FUNCTIONS = ("features", "scores_of_features")


def is_explainable(model: Any) -> bool:
    """Whether a loaded SavedModel has the two halves that explanations ask."""
    return all(hasattr(model, function) for function in _FUNCTIONS)


def load_model(saved_model: Path) -> Any:
    """The SavedModel, as TensorFlow loads it."""
    import tensorflow as tf

    return tf.saved_model.load(str(saved_model))


def attribute(
    model: Any, card: ModelCard, waveform: NDArray[np.float32], class_id: int
) -> dict[str, Attribution]:
    """What decided for the class, by the name of each method; `waveform` is [clip_samples]."""
    rate = Audio.model_validate(card.audio).sample_rate
    frontend = Frontend.model_validate(card.frontend)
    frames = Frames(
        sample_rate=rate,
        frame_length=ms_to_samples(frontend.frame_length_ms, rate),
        frame_step=ms_to_samples(frontend.frame_step_ms, rate),
    )
    return {
        "integrated gradients": integrated_gradients(model, waveform, class_id, frames),
        "occlusion": occlusion(model, waveform, class_id, frames),
    }
