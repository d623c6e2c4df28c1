"""The convolutional network."""

from typing import Any

from keras import layers

from components.models.options import Options


def build_cnn(features: Any, num_classes: int, options: Options) -> Any:
    """Logits of convolution, ReLU, pooling (`options.layers` times), then dense."""
    steps = layers.Reshape((*features.shape[1:], 1))(features)
    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[options.pooling]
    for block in range(options.layers):
        steps = layers.Conv2D(options.filters * 2**block, 3, padding="same", use_bias=False)(steps)
        steps = layers.BatchNormalization(momentum=0.9)(steps)
        steps = layers.ReLU()(steps)
        steps = pool(2, padding="same")(steps)
        steps = layers.SpatialDropout2D(options.dropout / 2)(steps)
    _, frames, bins, channels = steps.shape
    steps = layers.Reshape((frames, bins * channels))(steps)
    steps = layers.Dense(options.units, activation="relu")(steps)
    summary = layers.Concatenate()(
        [layers.GlobalAveragePooling1D()(steps), layers.GlobalMaxPooling1D()(steps)]
    )
    summary = layers.Dropout(options.dropout)(summary)
    return layers.Dense(num_classes, dtype="float32", name="logits")(summary)
