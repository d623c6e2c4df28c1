"""One number a clip; learned in tens of decibels, so that it is near 1."""

import keras

METRIC = "mean_absolute_error"
DB = 10.0


def vocabulary(targets):
    return []


def num_outputs(labels):
    return 1


def encode_batch(labels):
    return lambda features: features["loudness_db"] / DB


def loss():
    return keras.losses.MeanAbsoluteError()


def metric():
    return keras.metrics.MeanAbsoluteError(name=METRIC)


def errors(outputs, targets):
    return DB * abs(outputs[:, 0] - targets)


def carry_head(ours, theirs, labels, known):
    return theirs
