"""Signal processing as pure functions on numpy arrays: no Beam, no TFX, no TensorFlow."""
