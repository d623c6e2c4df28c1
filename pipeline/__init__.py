"""Declare and run: workflow files, the TFX graph, runners and the command line."""
