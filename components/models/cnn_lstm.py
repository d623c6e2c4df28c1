"""The three combined: convolutions for local patterns, recurrence for order, LSTM for reach."""

from typing import Any

from keras import layers

from components.models.options import Options
from components.models.recurrent import classify_steps, lstm


def build_cnn_lstm(features: Any, num_classes: int, options: Options) -> Any:
    """Logits of two convolutions over time, a plain recurrence, then LSTM layers."""
    pool = {"max": layers.MaxPooling1D, "average": layers.AveragePooling1D}[options.pooling]
    steps = features
    for block in range(2):
        steps = layers.Conv1D(options.filters * 2**block, 5, padding="same", use_bias=False)(steps)
        steps = layers.BatchNormalization(momentum=0.9)(steps)
        steps = layers.ReLU()(steps)
        steps = pool(2, padding="same")(steps)
        steps = layers.Dropout(options.dropout)(steps)
    steps = layers.SimpleRNN(options.units, return_sequences=True)(steps)
    steps = layers.LayerNormalization()(steps)
    for _ in range(options.layers):
        steps = lstm(options.units, options.peephole)(steps)
        steps = layers.LayerNormalization()(steps)
        steps = layers.Dropout(options.dropout)(steps)
    return classify_steps(steps, num_classes, options.dropout)
