"""Batch inference on Beam: parts of a list of clips become files of a published model's answers."""
