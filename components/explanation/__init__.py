"""Which times and frequencies of a clip decided a model's answer.

Knows an exported model and its card, not how it was trained; where clips come from is the caller's.
"""
