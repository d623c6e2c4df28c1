"""An error is a decibel, of one estimate a clip."""

import numpy as np

from components.evaluation.measures import MeanError
from components.evaluation.scores import ModelScores

MEASURE = MeanError("mean absolute error", "dB")
ANSWERS = "loudness"
OUTPUTS = ("loudness_db",)
CLOSE_DB = 3.0  # for a clip that must pass
NO_NUMBER_DB = 100.0


def units(targets):
    return np.ones(len(targets))


def judge(targets, outputs, card):
    [estimates] = (outputs[name].reshape(-1) for name in OUTPUTS)
    is_finite = np.isfinite(estimates)
    distances = np.abs(estimates - targets.astype(np.float64))
    errors = np.where(is_finite, distances, NO_NUMBER_DB)
    return ModelScores(
        answers=np.array([f"{estimate:.1f}" for estimate in estimates], np.str_),
        errors=errors,
        is_right=errors <= CLOSE_DB,
        confidence=np.where(is_finite, 1, np.nan).astype(np.float32),
        merit=-errors.astype(np.float32),
        is_known=np.ones(len(targets), np.bool_),
        outputs=dict(outputs),
        names={},
    )
