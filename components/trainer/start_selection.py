"""Which of two trainings goes on: that from the champion's weights, or that from scratch.

Judged on the eval split, clip by clip; the test split judges the winner, and whatever is chosen on
it could no longer be judged by it.
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.evaluation.measures import Measure
from components.evaluation.scores import Pairs
from components.evaluation.tallies import Tally
from components.tasks.feeding import ModelPart
from schemas.reports.metrics import Interval
from schemas.reports.training import Start, Trial


def hold_trial(
    models: Mapping[str, keras.Model],
    eval_dataset: tf.data.Dataset,
    confidence: float,
    part: ModelPart,
    measure: Measure,
) -> Trial:
    """How the models `champion` and `scratch` (waveform -> outputs) answer each clip of (waveform,
    target) batches: errors as the task's `part` counts them, numbers as its `measure` says.
    """
    warm, cold = (_errors(models[name], eval_dataset, part) for name in ("champion", "scratch"))
    units = np.ones(len(warm))
    pairs = Pairs(warm, cold, units, np.full(len(warm), "", np.str_))
    return Trial(
        clips=len(warm),
        metric=measure.name,
        champion=float(measure.value(Tally.of(warm, units))),
        scratch=float(measure.value(Tally.of(cold, units))),
        difference=float(measure.difference(pairs)),
        difference_interval=Interval.of(measure.difference_interval(pairs, confidence)),
        confidence=confidence,
    )


def choose_start(trial: Trial, from_champion: Start, measure: Measure) -> Start:
    """The better one of the two starts; `from_champion` where both are equally good.

    The interval says whether the difference may be luck. It does not overrule it: where it has 0
    in it the better number is taken, and where not it lies on the side of the better number.
    """
    low, high = trial.difference_interval.low, trial.difference_interval.high
    message = (
        f"chosen on {trial.clips} eval clips: {trial.champion:.3f} from that model,"
        f" {trial.scratch:.3f} from scratch, difference {trial.difference:+.3f}"
        f" ({low:+.3f} to {high:+.3f})"
    )
    gain = trial.difference if measure.higher_is_better else -trial.difference
    if gain >= 0:
        update = {"message": f"{from_champion.message}, {message}", "trial": trial}
        return from_champion.model_copy(update=update)
    message = f"from scratch and not {from_champion.message}, {message}"
    return Start(weights="scratch", message=message, trial=trial)


def _errors(
    model: keras.Model, eval_dataset: tf.data.Dataset, part: ModelPart
) -> NDArray[np.float64]:
    outputs = model.predict(eval_dataset.map(lambda clips, _: clips), verbose=0)
    targets = np.concatenate([target.numpy() for _, target in eval_dataset])
    return part.errors(outputs, targets)
