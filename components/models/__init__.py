"""Keras 3 builders and the one table that names them."""
