"""A workflow's recordings before a run: rows, importers, downloads, feedback, rejects, the dry run.
Nothing here trains or reads models' versions.
"""
