"""What a clip may be, for decoding and for what a published model accepts."""

MAX_DURATION_S = 600.0
SOURCE_RATES_HZ = (1_000, 1_000_000)
MAX_MAGNITUDE = 1e6  # full scale is 1; beyond +120 dBFS it is no audio, and float32 sums overflow
