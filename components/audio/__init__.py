"""Signal processing as pure functions on numpy arrays: decode, resample, condition, measure.

No Beam, no TFX, no TensorFlow, and nothing of labels or splits.
"""
