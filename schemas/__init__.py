"""Contracts that the other packages meet in: documents, the workflow, examples, errors.

No Beam, no TFX, no Keras, and nothing that does work: whoever imports this must stay light.
"""
