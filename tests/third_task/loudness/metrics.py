from components.evaluation.measures import MeanError

MEASURE = MeanError("mean absolute error", "dB")
