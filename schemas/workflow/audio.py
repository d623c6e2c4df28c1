"""What every clip becomes before it is stored."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block, Seconds


class Audio(Block):
    """What every clip becomes before it is stored, in this order."""

    sample_rate: int = Field(
        16000, ge=4000, le=192000, description="Sample rate of the stored clips, in Hz."
    )
    denoise: bool = Field(False, description="Reduce steady noise by spectral gating.")
    trim: bool = Field(True, description="Cut leading and trailing silence.")
    normalize: Literal["rms", "peak", "none"] = Field("rms", description="How the level is set.")
    min_s: float = Field(0.02, ge=0.0, le=60.0, description="Shorter clips are rejected, in s.")
    truncated: Literal["reject", "keep"] = Field(
        "reject",
        description="What becomes of a recording of which less is there than its header, or the"
        " manifest's duration, says: a reject, or a clip of what is there, in slice `truncated`.",
    )
    clip_s: Seconds = Field(
        1.0, description="Every clip is padded or cropped to this length, in s."
    )
