"""Of two trained models the better one on the eval clips goes on, and it is said by how much."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.tasks import feeding, parts
from components.trainer.start_selection import choose_start, hold_trial
from schemas.reports.training import Start, Trial

CLIPS = 40
PART = feeding.model("classify")
MEASURE = parts.scoring("classify").MEASURE
FROM_CHAMPION = Start(weights="champion", message="from the champion", champion="c")


def answering(right: int) -> keras.Model:
    """A model that is right on the first `right` of the clips, whose class is 1."""
    clip = keras.Input([1])
    logit = keras.layers.Dense(2)
    model = keras.Model(clip, logit(clip))
    logit.set_weights([np.array([[0.0, -1.0]]), np.array([0.0, right - 0.5])])
    return model


@pytest.fixture(scope="module")
def clips() -> tf.data.Dataset:
    numbers = np.arange(CLIPS, dtype=np.float32)[:, np.newaxis]
    classes = np.ones(CLIPS, np.int64)
    return tf.data.Dataset.from_tensor_slices((numbers, classes)).batch(16)


def trial_of(champion: keras.Model, scratch: keras.Model, clips: tf.data.Dataset) -> Trial:
    return hold_trial({"champion": champion, "scratch": scratch}, clips, 0.95, PART, MEASURE)


@pytest.mark.parametrize(
    ("champion", "scratch", "chosen", "has_zero"),
    [
        (36, 10, "champion", False),
        (10, 36, "scratch", False),
        (31, 30, "champion", True),  # no different, but the higher
        (30, 31, "scratch", True),
        (30, 30, "champion", True),  # as good
    ],
)
def test_the_better_one_goes_on(
    clips: tf.data.Dataset, champion: int, scratch: int, chosen: str, has_zero: bool
) -> None:
    trial = trial_of(answering(champion), answering(scratch), clips)
    assert trial.clips == CLIPS
    assert trial.champion == pytest.approx(champion / CLIPS)
    assert trial.scratch == pytest.approx(scratch / CLIPS)
    assert trial.difference == pytest.approx((champion - scratch) / CLIPS)
    interval = trial.difference_interval
    assert (interval.low <= 0 <= interval.high) == has_zero
    start = choose_start(trial, FROM_CHAMPION, MEASURE)
    assert (start.weights, start.trial) == (chosen, trial)
    assert start.champion == ("c" if chosen == "champion" else None)
    assert f"{champion / CLIPS:.3f} from that model, {scratch / CLIPS:.3f} from" in start.message


def test_clips_are_paired_one_by_one(clips: tf.data.Dataset) -> None:
    """McNemar's cells decide how wide the interval is, not the two accuracies alone."""
    nested = trial_of(answering(30), answering(20), clips)
    flipped = answering(20)
    kernel, bias = flipped.layers[1].get_weights()
    flipped.layers[1].set_weights([-kernel, -bias])  # right on the last 20 instead
    crossed = trial_of(answering(30), flipped, clips)
    assert crossed.difference == nested.difference
    assert crossed.difference_interval.low < nested.difference_interval.low
