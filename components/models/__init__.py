"""Keras 3 builders and the one table that names them."""

from components.models.builder import MODELS, build_model, split_model

__all__ = ["MODELS", "build_model", "split_model"]
