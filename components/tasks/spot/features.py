"""The target of a keyword spotter's clip in the tf.Example is a classifier's."""

from components.tasks.classify.features import (
    FEATURES,
    GROUPED_BY,
    VARIABLE_LENGTH,
    decode_target,
    encode_target,
)

__all__ = ["FEATURES", "GROUPED_BY", "VARIABLE_LENGTH", "decode_target", "encode_target"]
