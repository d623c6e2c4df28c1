"""The three combined: convolutions for local patterns, recurrence for order, LSTM for reach."""

from typing import Any

from keras import layers

from components.models.cnn import classify_steps, convolve
from components.models.options import Options
from components.models.recurrent import lstm


def build_cnn_lstm(features: Any, num_classes: int, options: Options) -> Any:
    """Logits of the convolutions of `cnn`, one plain recurrence, then one LSTM.

    The classifier sees the local patterns beside what the recurrences make of their order: what a
    recurrence alone learns of few speakers is their tempo.
    """
    patterns = layers.Dense(options.units, activation="relu")(convolve(features, options))
    steps = layers.SimpleRNN(options.units, return_sequences=True)(patterns)
    steps = layers.LayerNormalization()(steps)
    steps = layers.Dropout(options.dropout)(steps)
    steps = lstm(options.units, options.peephole)(steps)
    steps = layers.LayerNormalization()(steps)
    steps = layers.Concatenate()([patterns, steps])
    return classify_steps(steps, num_classes, options.dropout)
