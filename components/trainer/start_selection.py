"""Which of two trainings goes on: that from the champion's weights, or that from scratch.

Judged on the eval split, clip by clip; the test split judges the winner, and whatever is chosen on
it could no longer be judged by it.
"""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.evaluation.intervals import Paired, difference_interval
from schemas.reports.metrics import Interval
from schemas.reports.training import Start, Trial


def hold_trial(
    from_champion: keras.Model,
    from_scratch: keras.Model,
    eval_dataset: tf.data.Dataset,
    confidence: float,
) -> Trial:
    """How both models (waveform -> logits) answer each clip of (waveform, class) batches."""
    warm, cold = _is_right(from_champion, eval_dataset), _is_right(from_scratch, eval_dataset)
    paired = Paired.of(warm, cold)
    return Trial(
        clips=paired.clips,
        champion_accuracy=float(warm.mean()),
        scratch_accuracy=float(cold.mean()),
        difference=paired.difference,
        difference_interval=Interval.of(difference_interval(paired, confidence)),
        confidence=confidence,
    )


def choose_start(trial: Trial, from_champion: Start) -> Start:
    """The better one of the two starts; `from_champion` where both are equally good.

    The interval says whether the difference may be luck. It does not overrule it: where it has 0
    in it the higher accuracy is taken, and where not it lies on the side of the higher accuracy.
    """
    low, high = trial.difference_interval.low, trial.difference_interval.high
    said = (
        f"chosen on {trial.clips} eval clips: {trial.champion_accuracy:.3f} from that model,"
        f" {trial.scratch_accuracy:.3f} from scratch, difference {trial.difference:+.3f}"
        f" ({low:+.3f} to {high:+.3f})"
    )
    if trial.difference >= 0:
        update = {"said": f"{from_champion.said}, {said}", "trial": trial}
        return from_champion.model_copy(update=update)
    said = f"from scratch and not {from_champion.said}, {said}"
    return Start(weights="scratch", said=said, trial=trial)


def _is_right(model: keras.Model, eval_dataset: tf.data.Dataset) -> NDArray[np.bool_]:
    logits = model.predict(eval_dataset.map(lambda waveform, _: waveform), verbose=0)
    classes = np.concatenate([class_.numpy() for _, class_ in eval_dataset])
    right: NDArray[np.bool_] = logits.argmax(axis=1) == classes
    return right
