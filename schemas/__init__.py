"""Contracts that the other packages meet in: no Beam, no TFX, no Keras."""
