"""Attributes a score to the times and bins of a clip, in two ways that share nothing but silence.

Integrated gradients differentiate the model, occlusion only asks it for scores; where both point to
the same times, what is seen is the model and not the method. Both look at the frontend's output. A
model is anything with the two functions that `components.trainer.export` writes; what its classes
are called, and what kind of features these are, is not known here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, Union

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import tensorflow as tf

STEPS = 64
INCOMPLETE = 0.005  # of the score
_MOST_STEPS = 1024
PATCH_S = 0.1  # shorter than a syllable, longer than most single sounds
PATCH_SHARE = 0.25
_BATCH = 64
_MOST_PATCHES = 160  # along time; of a longer clip each patch is longer
_TIME_OVERLAP, _BIN_OVERLAP = 4, 2  # patches over one place, along either axis
_HEARD = 0.1  # of the way from a pause to the frame that is farthest from one

_Patch = tuple[slice, slice]
Tensor = Union["tf.Tensor", NDArray[np.float32]]
_Item = TypeVar("_Item")


class Model(Protocol):
    """A classifier in two halves: a loaded SavedModel, or a module of the same functions."""

    def features(self, waveform: Tensor) -> Tensor:
        """float32 [batch, clip_samples] -> float32 [batch, frames, bins]."""

    def scores_of_features(self, features: Tensor) -> Tensor:
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
    model: Model,
    waveforms: NDArray[np.float32],
    class_ids: Sequence[int],
    frames: Frames,
    steps: int = STEPS,
    incomplete: float = INCOMPLETE,
) -> list[Attribution]:
    """How the score of each clip's class grows on the straight way from silence to the clip.

    Sundararajan et al. 2017, eq. 1, by the midpoint rule. The values add up to `score -
    silence_score` (completeness): of clips where `steps` steps miss that by more than `incomplete`,
    twice as many are made, up to 1024. `waveforms` are float32 [clips, clip_samples]; see `silence`
    for the baseline.
    """
    ends = _ends(model, waveforms, class_ids, frames)
    found: dict[int, Attribution] = {}
    open_ = list(range(len(ends)))
    while open_:
        gradients = _mean_gradients(model, [ends[clip] for clip in open_], steps)
        for clip, gradient in zip(open_, gradients, strict=True):
            end = ends[clip]
            found[clip] = end.attribution((end.features - end.baseline) * gradient, blur_frames=1)
        open_ = [clip for clip in open_ if abs(found[clip].unexplained) > incomplete]
        steps *= 2
        if steps > _MOST_STEPS:
            break
    return [found[clip] for clip in range(len(ends))]


def occlusion(
    model: Model,
    waveforms: NDArray[np.float32],
    class_ids: Sequence[int],
    frames: Frames,
    patch_s: float = PATCH_S,
    patch_share: float = PATCH_SHARE,
) -> list[Attribution]:
    """By how much each clip's score falls where a patch of its features is silenced.

    Zeiler and Fergus 2014, on time and frequency; needs no gradient. Patches are `patch_s` long
    (longer in a clip of more than a few seconds) and `patch_share` of the bins high, and overlap.
    What a patch costs is spread evenly over its cells; a cell has the mean of the patches it lies
    in. `waveforms` are float32 [clips, clip_samples].
    """
    found = []
    for end in _ends(model, waveforms, class_ids, frames):
        count, bins = end.features.shape
        shortest = -(-_TIME_OVERLAP * count // _MOST_PATCHES)
        patch_frames = min(count, max(1, round(patch_s / frames.step_s), shortest))
        patch_bins = min(bins, max(1, round(patch_share * bins)))
        patches = [
            (slice(at, at + patch_frames), slice(low, low + patch_bins))
            for at in _starts(count, patch_frames, _TIME_OVERLAP)
            for low in _starts(bins, patch_bins, _BIN_OVERLAP)
        ]
        values, covered = np.zeros(end.features.shape), np.zeros(end.features.shape)
        for patch, left in zip(patches, _occluded_scores(model, end, patches), strict=True):
            values[patch] += (end.score - left) / (patch_frames * patch_bins)
            covered[patch] += 1
        found.append(end.attribution(values / covered, blur_frames=patch_frames))
    return found


def silence(model: Model, waveforms: NDArray[np.float32], frames: Frames) -> NDArray[np.float32]:
    """The features of a pause in each very clip, float32 [clips, bins]: both methods' baseline.

    The samples of the quietest frame are set to zero, and its features read. A clip of nothing but
    zeros would not do: frontends normalise a clip by its own speech, and where there is none give
    the features of average speech. Nor would the lowest value of each bin, which says nothing of
    cepstra or samples.
    """
    starts = np.arange(0, waveforms.shape[1] - frames.frame_length + 1, frames.frame_step)
    energy = np.cumsum(np.pad(np.square(waveforms, dtype=np.float64), ((0, 0), (1, 0))), axis=1)
    quietest = np.argmin(energy[:, starts + frames.frame_length] - energy[:, starts], axis=1)
    with_pause = waveforms.copy()
    for clip, start in zip(with_pause, starts[quietest], strict=True):
        clip[start : start + frames.frame_length] = 0.0
    features = np.asarray(model.features(with_pause))
    pauses: NDArray[np.float32] = features[np.arange(len(features)), quietest]
    return pauses


@dataclass(frozen=True)
class _Ends:
    """A clip's features and those of silence, [frames, bins], with the scores of one class."""

    frames: Frames
    features: NDArray[np.float32]
    baseline: NDArray[np.float32]
    class_id: int
    score: float
    silence_score: float

    def attribution(self, values: NDArray[np.float64], blur_frames: int) -> Attribution:
        return Attribution(
            frames=self.frames,
            features=self.features,
            pause=self.baseline[0],
            values=values,
            score=self.score,
            silence_score=self.silence_score,
            blur_frames=blur_frames,
        )


def _ends(
    model: Model, waveforms: NDArray[np.float32], class_ids: Sequence[int], frames: Frames
) -> list[_Ends]:
    features = np.asarray(model.features(waveforms))
    pauses = silence(model, waveforms, frames)
    baselines = np.broadcast_to(pauses[:, np.newaxis], features.shape)
    scores, silence_scores = (
        np.asarray(model.scores_of_features(each))[np.arange(len(features)), class_ids]
        for each in (features, baselines)
    )
    return [
        _Ends(frames, *each)
        for each in zip(
            features,
            baselines,
            class_ids,
            scores.tolist(),
            silence_scores.tolist(),
            strict=True,
        )
    ]


def _mean_gradients(model: Model, ends: list[_Ends], steps: int) -> list[NDArray[np.float64]]:
    """Each score's gradient at the middles of `steps` steps from silence to the clip, averaged.

    Batches hold steps of several clips. They are differentiated one by one: within a `tf.function`
    TensorFlow cannot differentiate the recurrence of a loaded model, and larger batches are slower.
    """
    import tensorflow as tf

    places = ((np.arange(steps) + 0.5) / steps).astype(np.float32)
    wanted = [(clip, place) for clip in range(len(ends)) for place in places]
    totals = [np.zeros(end.features.shape) for end in ends]
    for some in _batches(wanted):
        batch = tf.constant(
            np.stack(
                [
                    ends[clip].baseline + place * (ends[clip].features - ends[clip].baseline)
                    for clip, place in some
                ]
            )
        )
        with tf.GradientTape() as tape:
            tape.watch(batch)
            scores = tf.gather(
                model.scores_of_features(batch),
                [ends[clip].class_id for clip, _ in some],
                batch_dims=1,
            )
        for (clip, _), gradient in zip(some, tape.gradient(scores, batch).numpy(), strict=True):
            totals[clip] += gradient
    return [total / steps for total in totals]


def _occluded_scores(model: Model, end: _Ends, patches: list[_Patch]) -> Iterator[float]:
    """The score with each patch silenced."""
    for some in _batches(patches):
        occluded = np.repeat(end.features[None], len(some), axis=0)
        for clip, patch in zip(occluded, some, strict=True):
            clip[patch] = end.baseline[patch]
        yield from np.asarray(model.scores_of_features(occluded))[:, end.class_id].tolist()


def _batches(items: list[_Item]) -> Iterator[list[_Item]]:
    for first in range(0, len(items), _BATCH):
        yield items[first : first + _BATCH]


def _starts(size: int, patch: int, overlap: int) -> Iterator[int]:
    """Where patches begin: `overlap` of them over a place in the middle, and nothing left out."""
    yield from range(0, size - patch, max(1, patch // overlap))
    yield size - patch
