"""The features, part of the model."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block, Milliseconds


class Frontend(Block):
    """The features the model computes from the waveform; part of the exported model."""

    kind: Literal["log_mel", "mfcc", "waveform"] = Field("log_mel", description="Kind of features.")
    frame_length_ms: Milliseconds = Field(25.0, description="Length of a frame, in ms.")
    frame_step_ms: Milliseconds = Field(16.0, description="Step between frames, in ms.")
    num_mel_bins: int = Field(
        32,
        ge=4,
        le=512,
        description="Mel bands (log_mel, mfcc); at 8 kHz, 20 were measured to be better.",
    )
    num_mfcc: int = Field(13, ge=2, le=128, description="Cepstral coefficients (mfcc).")
    lower_edge_hertz: float = Field(60.0, ge=0.0, description="Lowest mel band edge, in Hz.")
    upper_edge_hertz: float | None = Field(
        None,
        gt=0.0,
        description="Highest mel band edge, in Hz; the Nyquist frequency if not given.",
    )
