"""Keras 3 builders and the one table that names them.

Pure Keras: no TensorFlow, no data sets, no files. Augmentation is here since it is layers.
"""

from components.models.builder import MODELS, build_model, split_model

__all__ = ["MODELS", "build_model", "split_model"]
