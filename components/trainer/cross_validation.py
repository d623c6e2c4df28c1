"""Trains a model of each fold, on the clips of the other folds, and the one that ships, on all.

All of them are trained in the same way, to the last epoch: no split is left to choose an epoch by.
So what the folds' models answer on clips that they have not heard says how good the training is,
and the model that ships, which has more clips to learn from, is about as good or better
(docs/adr/0019-cross-validation.md).
"""

from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from components.evaluation.fold_models import FoldModels, Weights, group_digest
from components.storage.location import Location
from components.trainer.recorder import Turn
from components.trainer.training import Training

_READ_CLIPS = 256


def cross_validate(
    training: Training, folds: Mapping[str, list[str]], checkpoint: Location, log_dir: Location
) -> tuple[keras.Model, FoldModels]:
    """The model of all clips, and those of the `folds`, whose files are given by their names.

    An unfinished training goes on where it was. `log_dir` has the curves of the model of all clips,
    and of the folds' models in folders of their names.
    """
    keys = {name: _split_keys(files) for name, files in folds.items()}
    trainings = {
        name: replace(
            training,
            train_files=[file for other, each in folds.items() if other != name for file in each],
            learned=replace(training.learned, clips=training.learned.clips - len(keys[name])),
        )
        for name in folds
    }
    steps, done = training.steps + sum(each.steps for each in trainings.values()), 0
    weights: dict[str, Weights] = {}
    for number, (name, each) in enumerate(trainings.items(), start=1):
        model = each.build()
        turn = Turn(steps, done, f"fold {number} of {len(folds)}")
        each.fit(model, checkpoint / name, log_dir / name, turn)
        weights[name] = _weights(model)
        done += each.steps
    model = training.build()
    training.fit(model, checkpoint, log_dir, Turn(steps, done, "all clips"))
    fold_of = {group_digest(key): name for name, found in keys.items() for key in found}
    return model, FoldModels(weights, fold_of)


def _split_keys(files: list[str]) -> list[str]:
    """The key of each clip's group, a speaker or a recording."""
    spec = {"split_key": tf.io.FixedLenFeature([], tf.string)}
    found: list[str] = []
    for records in tf.data.TFRecordDataset(files).batch(_READ_CLIPS):
        keys = tf.io.parse_example(records, spec)["split_key"].numpy()
        found += [key.decode() for key in keys]
    return found


def _weights(model: keras.Model) -> Weights:
    """Of the variables that are floats; the others are states of random generators."""
    values = [np.array(keras.ops.convert_to_numpy(each)) for each in model.variables]
    return [each for each in values if np.issubdtype(each.dtype, np.floating)]
