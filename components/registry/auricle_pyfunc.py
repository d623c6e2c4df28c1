"""Answers waveforms through MLflow's `python_function` flavour.

A copy of this file lies beside each registered model: who loads one needs TensorFlow, not Auricle.
"""

import glob
import os
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

_SIGNATURE = "serving_default"


class Answers:
    """Asks a SavedModel."""

    def __init__(self, folder: str) -> None:
        # TensorFlow looks for the variables by a pattern: not by a name, which may hold a `[`.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            path = f"/proc/self/fd/{descriptor}" if glob.has_magic(folder) else folder
            self._model = tf.saved_model.load(path)  # kept, or its variables are lost
        finally:
            os.close(descriptor)
        self._ask = self._model.signatures[_SIGNATURE]

    def predict(self, waveforms: np.ndarray, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A row for each waveform; columns are the model's outputs, and `score`, the highest of
        `scores`.

        `waveforms` are float32 [batch, samples] in [-1, 1] at the model's sample rate, or an array
        of dtype object that holds waveforms of different lengths.
        """
        rows = [row for batch in _batches(waveforms) for row in self._answer(batch)]
        return pd.DataFrame(rows)

    def _answer(self, batch: np.ndarray) -> list[dict[str, Any]]:
        outputs = {
            name: _plain(values.numpy())
            for name, values in self._ask(waveform=tf.constant(batch, tf.float32)).items()
        }
        rows = [
            {name: values[i] for name, values in sorted(outputs.items())} for i in range(len(batch))
        ]
        return [row | {"score": max(row["scores"])} if "scores" in row else row for row in rows]


def _batches(waveforms: np.ndarray) -> list[np.ndarray]:
    """As the model takes them: [batch, samples], or those of different lengths one by one."""
    given = waveforms if isinstance(waveforms, np.ndarray) else np.asarray(waveforms, np.float32)
    if given.dtype == object:
        return [np.asarray(each, np.float32)[np.newaxis] for each in given]
    return [given[np.newaxis] if given.ndim == 1 else given]


def _plain(values: np.ndarray) -> list[Any]:
    """As Python has them, text decoded."""
    if values.dtype == object:
        return [value.decode() for value in values]
    found: list[Any] = values.tolist()
    return found


def _load_pyfunc(path: str) -> Answers:
    """What MLflow calls with the SavedModel's folder."""
    return Answers(path)
