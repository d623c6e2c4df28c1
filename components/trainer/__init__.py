"""What TFX's Trainer runs: data set, fit, warm start and export.

Models are built in `components.models`; whether one is good enough is not decided here.
"""
