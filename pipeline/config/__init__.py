"""Reads and explains the workflow file: YAML with line numbers, nearest keys, the generated page,
and the file that `init` writes. Nothing here reads recordings or run directories.
"""
