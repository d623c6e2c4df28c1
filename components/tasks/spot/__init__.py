"""Keywords in long recordings: classify, with a threshold and false alarms per hour."""
