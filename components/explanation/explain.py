"""Why a published or exported model gave each of some clips one class, by both methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from components.audio.mel import ms_to_samples
from components.explanation.attribution import (
    INCOMPLETE,
    PATCH_SHARE,
    STEPS,
    Attribution,
    Frames,
    Model,
    integrated_gradients,
    occlusion,
)
from schemas.reports.model_card import ModelCard

_FUNCTIONS = ("features", "scores_of_features")


@dataclass(frozen=True)
class Effort:
    """How closely to look: arguments of `integrated_gradients` and `occlusion`."""

    steps: int
    incomplete: float
    patch_share: float


THOROUGH = Effort(STEPS, INCOMPLETE, PATCH_SHARE)
# For many clips at once, at a small part of the cost: patches as high as all bins, since only what
# occlusion says of time is shown.
BRIEF = Effort(steps=32, incomplete=0.05, patch_share=1.0)


def is_explainable(model: object) -> TypeGuard[Model]:
    """Whether a loaded SavedModel has the two halves that explanations ask."""
    return all(hasattr(model, function) for function in _FUNCTIONS)


def attribute(
    model: Model,
    card: ModelCard,
    waveforms: NDArray[np.float32],
    class_ids: Sequence[int],
    effort: Effort = THOROUGH,
) -> list[dict[str, Attribution]]:
    """What decided for the class of each clip, by the name of each method.

    `waveforms` are float32 [clips, clip_samples].
    """
    rate = card.audio.sample_rate
    frontend = card.frontend
    frames = Frames(
        sample_rate=rate,
        frame_length=ms_to_samples(frontend.frame_length_ms, rate),
        frame_step=ms_to_samples(frontend.frame_step_ms, rate),
    )
    gradients = integrated_gradients(
        model, waveforms, class_ids, frames, effort.steps, effort.incomplete
    )
    occluded = occlusion(model, waveforms, class_ids, frames, patch_share=effort.patch_share)
    return [
        {"integrated gradients": first, "occlusion": second}
        for first, second in zip(gradients, occluded, strict=True)
    ]
