"""How long a clip may be, for decoding and for what a published model accepts."""

MAX_DURATION_S = 600.0
