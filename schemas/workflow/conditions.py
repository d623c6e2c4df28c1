"""Under which conditions a model is judged, besides the clips as they are."""

import re

from pydantic import Field

from schemas.workflow.block import Block, Text

NAMES = ("room", "shift", "quiet", "telephone", "clipped")
NOISE = re.compile(r"noise_(-?\d{1,2})db")
_USUAL = [*(f"noise_{snr_db}db" for snr_db in (20, 10, 5, 0)), *NAMES]


def is_condition(name: str) -> bool:
    """Whether test clips can be heard like that."""
    return name in NAMES or NOISE.fullmatch(name) is not None


class Conditions(Block):
    """What test clips are also judged under; the same for every model."""

    names: list[Text] = Field(
        _USUAL,
        description="noise_<n>db: with noise at a ratio of n dB, of augment.noise.recordings that"
        " training never hears, or generated; room: reverberation of 0.3 s; shift: 0.2 s early or"
        " late; quiet: 30 dB less; telephone: 300 to 3,400 Hz; clipped: by 12 dB. [] for none.",
    )
    clips: int = Field(
        1000, ge=1, le=1_000_000, description="Test clips that are heard under each, at most."
    )
