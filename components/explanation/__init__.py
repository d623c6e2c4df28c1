"""Which times and frequencies of a clip decided a model's answer."""
