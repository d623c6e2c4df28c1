"""Attributes a score to the times and bins of a clip, in two ways that share nothing but silence.

Integrated gradients differentiate the model, occlusion only asks it for scores; where both point to
the same times, what is seen is the model and not the method. Both look at the frontend's output. A
model is anything with the two functions that `components.trainer.export` writes; what its classes
are called, and what kind of features these are, is not known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

STEPS = 64
_MOST_STEPS = 1024
_INCOMPLETE = 0.005  # of the score
PATCH_S = 0.1  # shorter than a syllable, longer than most single sounds
PATCH_SHARE = 0.25
_BATCH = 64
_MOST_PATCHES = 160  # along time; of a longer clip each patch is longer
_TIME_OVERLAP, _BIN_OVERLAP = 4, 2  # patches over one place, along either axis
_HEARD = 0.1  # of the way from a pause to the frame that is farthest from one


class Model(Protocol):
    """A classifier in two halves: a loaded SavedModel, or a module of the same functions."""

    def features(self, waveform: Any) -> Any:
        """float32 [batch, clip_samples] -> float32 [batch, frames, bins]."""

    def scores_of_features(self, features: Any) -> Any:
        """float32 [batch, frames, bins] -> float32 [batch, classes]."""


@dataclass(frozen=True)
class Frames:
    """Where the frames of a clip lie; length and step in samples."""

    sample_rate: int
    frame_length: int
    frame_step: int

    @property
    def step_s(self) -> float:
        """From one frame to the next."""
        return self.frame_step / self.sample_rate

    def times_s(self, count: int) -> NDArray[np.float64]:
        """The middles of the first `count` frames, float64 [count]."""
        starts = self.frame_step * np.arange(count)
        return (starts + self.frame_length / 2) / self.sample_rate


@dataclass(frozen=True)
class Attribution:
    """What each time and bin adds to the score of a class, [frames, bins]; below 0: against it.

    `features` are the clip's, of the same shape, `pause` those of silence in it, [bins], and
    `silence_score` is what is left of `score` there. `blur_frames` is the length of the patches
    that the method works with.
    """

    frames: Frames
    features: NDArray[np.float32]
    pause: NDArray[np.float32]
    values: NDArray[np.float64]
    score: float
    silence_score: float
    blur_frames: int

    @property
    def times_s(self) -> NDArray[np.float64]:
        """The middle of each frame, float64 [frames]."""
        return self.frames.times_s(len(self.values))

    @property
    def by_frame(self) -> NDArray[np.float64]:
        """What each frame adds to the score, float64 [frames]."""
        return self.values.sum(axis=1)

    @property
    def is_heard(self) -> NDArray[np.bool_]:
        """Which frames are more than a pause, bool [frames]."""
        distance = np.abs(self.features - self.pause).sum(axis=1)
        heard: NDArray[np.bool_] = distance > _HEARD * distance.max()
        return heard

    @property
    def unexplained(self) -> float:
        """What the sum of all values misses of `score - silence_score`.

        About 0 for integrated gradients (completeness); occlusion promises nothing of the kind.
        """
        return float(self.score - self.silence_score - self.values.sum())


def integrated_gradients(
    model: Model, waveform: NDArray[np.float32], class_id: int, frames: Frames, steps: int = STEPS
) -> Attribution:
    """How the score grows on the straight way from silence to the clip.

    Sundararajan et al. 2017, eq. 1, by the midpoint rule. The values add up to `score -
    silence_score` (completeness): where `steps` steps miss that by more than 0.005, twice as many
    are made, up to 1024. `waveform` is float32 [clip_samples]; see `silence` for the baseline.
    """
    features, baseline = _ends(model, waveform, frames)
    score, silence_score = _scores(model, np.stack([features, baseline]), class_id)
    while True:
        found = Attribution(
            frames=frames,
            features=features,
            pause=baseline[0],
            values=(features - baseline)
            * _mean_gradient(model, features, baseline, class_id, steps),
            score=float(score),
            silence_score=float(silence_score),
            blur_frames=1,
        )
        if abs(found.unexplained) <= _INCOMPLETE or 2 * steps > _MOST_STEPS:
            return found
        steps *= 2


def occlusion(
    model: Model,
    waveform: NDArray[np.float32],
    class_id: int,
    frames: Frames,
    patch_s: float = PATCH_S,
    patch_share: float = PATCH_SHARE,
) -> Attribution:
    """By how much the score falls where a patch of the features is silenced; needs no gradient.

    Zeiler and Fergus 2014, on time and frequency. Patches are `patch_s` long (longer in a clip of
    more than a few seconds) and `patch_share` of the bins high, and overlap. What a patch costs is
    spread evenly over its cells; a cell has the mean of the patches it lies in.
    """
    features, baseline = _ends(model, waveform, frames)
    count, bins = features.shape
    shortest = -(-_TIME_OVERLAP * count // _MOST_PATCHES)
    patch_frames = min(count, max(1, round(patch_s / frames.step_s), shortest))
    patch_bins = min(bins, max(1, round(patch_share * bins)))
    patches = [
        (slice(at, at + patch_frames), slice(low, low + patch_bins))
        for at in _starts(count, patch_frames, _TIME_OVERLAP)
        for low in _starts(bins, patch_bins, _BIN_OVERLAP)
    ]
    score, silence_score = _scores(model, np.stack([features, baseline]), class_id)
    values, covered = np.zeros(features.shape), np.zeros(features.shape)
    for first in range(0, len(patches), _BATCH):
        some = patches[first : first + _BATCH]
        occluded = np.repeat(features[None], len(some), axis=0)
        for clip, patch in zip(occluded, some, strict=True):
            clip[patch] = baseline[patch]
        for patch, left in zip(some, _scores(model, occluded, class_id), strict=True):
            values[patch] += (score - left) / (patch_frames * patch_bins)
            covered[patch] += 1
    return Attribution(
        frames=frames,
        features=features,
        pause=baseline[0],
        values=values / covered,
        score=float(score),
        silence_score=float(silence_score),
        blur_frames=patch_frames,
    )


def silence(model: Model, waveform: NDArray[np.float32], frames: Frames) -> NDArray[np.float32]:
    """The features of a pause in this very clip, float32 [bins]: the baseline of both methods.

    The samples of the quietest frame are set to zero, and its features read. A clip of nothing but
    zeros would not do: frontends normalise a clip by its own speech, and where there is none give
    the features of average speech. Nor would the lowest value of each bin, which says nothing of
    cepstra or samples.
    """
    starts = np.arange(0, len(waveform) - frames.frame_length + 1, frames.frame_step)
    energy = np.cumsum(np.pad(np.square(waveform, dtype=np.float64), (1, 0)))
    quietest = int(np.argmin(energy[starts + frames.frame_length] - energy[starts]))
    with_pause = waveform.copy()
    with_pause[starts[quietest] : starts[quietest] + frames.frame_length] = 0.0
    return np.asarray(model.features(with_pause[None]))[0, quietest]


def _mean_gradient(
    model: Model,
    features: NDArray[np.float32],
    baseline: NDArray[np.float32],
    class_id: int,
    steps: int,
) -> NDArray[np.float64]:
    """The score's gradient at the middles of `steps` steps from silence to the clip, averaged."""
    import tensorflow as tf

    places = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    total = np.zeros(features.shape)
    for some in np.split(places, range(_BATCH, steps, _BATCH)):
        batch = tf.constant(baseline + some[:, None, None] * (features - baseline))
        with tf.GradientTape() as tape:
            tape.watch(batch)
            scores = model.scores_of_features(batch)[:, class_id]
        total += np.sum(tape.gradient(scores, batch).numpy(), axis=0, dtype=np.float64)
    return total / steps


def _ends(
    model: Model, waveform: NDArray[np.float32], frames: Frames
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The clip's features and those of silence, both float32 [frames, bins]."""
    features = np.asarray(model.features(waveform[None]))[0]
    return features, np.broadcast_to(silence(model, waveform, frames), features.shape)


def _scores(model: Model, features: NDArray[np.float32], class_id: int) -> NDArray[np.float32]:
    return np.asarray(model.scores_of_features(features))[:, class_id]


def _starts(size: int, patch: int, overlap: int) -> Iterator[int]:
    """Where patches begin: `overlap` of them over a place in the middle, and nothing left out."""
    yield from range(0, size - patch, max(1, patch // overlap))
    yield size - patch
