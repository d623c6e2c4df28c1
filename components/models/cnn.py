"""Convolutions over time and frequency, and the network that consists of them."""

from typing import Any

from keras import layers

from components.models.options import Options


def convolve(features: Any, options: Options) -> Any:
    """Local patterns: [batch, frames, bins] -> [batch, frames / 2**layers, channels].

    `options.layers` blocks of convolution, batch normalisation, ReLU and pooling, each with twice
    the filters of the one before. Pooling over frequency makes small shifts of formants, from one
    speaker to the next, disappear.
    """
    maps = layers.Reshape((*features.shape[1:], 1))(features)
    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[options.pooling]
    for block in range(options.layers):
        maps = layers.Conv2D(options.filters * 2**block, 3, padding="same", use_bias=False)(maps)
        maps = layers.BatchNormalization(momentum=0.9)(maps)
        maps = layers.ReLU()(maps)
        maps = pool(2, padding="same")(maps)
        maps = layers.SpatialDropout2D(options.dropout / 2)(maps)
    _, frames, bins, channels = maps.shape
    return layers.Reshape((frames, bins * channels))(maps)


def classify_steps(steps: Any, num_classes: int, dropout: float) -> Any:
    """Logits from all steps, by their average and their highest values: [batch, steps, units]."""
    average = layers.GlobalAveragePooling1D()(steps)
    highest = layers.GlobalMaxPooling1D()(steps)
    summary = layers.Dropout(dropout)(layers.Concatenate()([average, highest]))
    return layers.Dense(num_classes, dtype="float32", name="logits")(summary)


def build_cnn(features: Any, num_classes: int, options: Options) -> Any:
    """Logits of convolution, ReLU and pooling, `options.layers` times, then dense layers."""
    steps = layers.Dense(options.units, activation="relu")(convolve(features, options))
    return classify_steps(steps, num_classes, options.dropout)
