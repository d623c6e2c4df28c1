"""Random changes while training."""

from pydantic import Field

from schemas.workflow.block import Block


class SpecAugment(Block):
    """Masks over time and frequency (Park et al. 2019), while training only."""

    time_masks: int = Field(1, ge=0, le=10, description="Masks along time.")
    time_mask_ms: float = Field(100.0, ge=0.0, description="Longest time mask, in ms.")
    freq_masks: int = Field(2, ge=0, le=10, description="Masks along frequency.")
    freq_mask_bins: int = Field(5, ge=0, description="Widest frequency mask, in bins.")


class Augment(Block):
    """Random changes of each clip, drawn anew each epoch, while training only."""

    time_shift_ms: float = Field(100.0, ge=0.0, description="Largest shift either way, in ms.")
    speed: float = Field(
        0.1, ge=0.0, le=0.5, description="Largest change of speed and pitch either way, as a share."
    )
    frequency_warp: float = Field(
        0.1, ge=0.0, le=0.5, description="Largest shift of formants either way, as a share."
    )
    equalizer_db: float = Field(
        12.0, ge=0.0, le=40.0, description="Largest tilt of the spectrum either way, in dB."
    )
    gain_db: float = Field(6.0, ge=0.0, le=60.0, description="Largest gain either way, in dB.")
    spec_augment: SpecAugment = Field(SpecAugment(), description="Masks over the features.")
