"""The blocks of a workflow file, a module each, so that a step depends on the blocks it uses.

`workflow` has the whole; nothing is imported here.
"""
