"""The TFX graph: its wiring, the names of its steps, its Beam options and its cache keys.
Nothing here runs it: that is `pipeline.runners`.
"""
