"""Evaluator: what a model and its baseline answer on the test clips, and TFMA's metrics of it."""
