"""Keywords in long recordings: classify, with a threshold and false alarms per hour.

What it shares with `classify` it takes from there; nothing here knows a step.
"""
