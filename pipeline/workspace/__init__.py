"""The run directory as a place: where things lie in it, whose it is, and its disk space.
What the files mean belongs to the room that writes them.
"""
