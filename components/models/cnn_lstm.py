"""The three combined: convolutions for local patterns, recurrence for order, LSTM for reach."""

from typing import Any

from keras import layers

from components.models.cnn import classify_steps, convolve
from components.models.options import Options
from components.models.recurrent import lstm, recur


def build_cnn_lstm(features: Any, num_frames: Any, num_classes: int, options: Options) -> Any:
    """Logits of the convolutions of `cnn`, one plain recurrence, then one LSTM.

    The classifier sees the local patterns beside what the recurrences make of their order: what a
    recurrence alone learns of few speakers is their tempo.
    """
    dense = layers.Dense(options.units, activation="relu")  # its weights are the first drawn
    local, num_steps = convolve(features, num_frames, options)
    patterns = dense(local)
    simple = layers.SimpleRNN(options.units, return_sequences=True)
    steps = recur(simple, patterns, num_steps)
    steps = layers.LayerNormalization()(steps)
    steps = layers.Dropout(options.dropout)(steps)
    steps = recur(lstm(options.units, options.peephole), steps, num_steps)
    steps = layers.LayerNormalization()(steps)
    steps = layers.Concatenate()([patterns, steps])
    return classify_steps(steps, num_steps, num_classes, options.dropout)
