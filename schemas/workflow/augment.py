"""Random changes while training."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from schemas.workflow.block import Block, Text

_Share = Annotated[float, Field(ge=0.0, le=1.0)]
_Decibels = Annotated[float, Field(ge=-30.0, le=60.0)]


class SpecAugment(Block):
    """Masks over time and frequency (Park et al. 2019), while training only."""

    time_masks: int = Field(1, ge=0, le=10, description="Masks along time.")
    time_mask_ms: float = Field(100.0, ge=0.0, description="Longest time mask, in ms.")
    freq_masks: int = Field(2, ge=0, le=10, description="Masks along frequency.")
    freq_mask_bins: int = Field(5, ge=0, description="Widest frequency mask, in bins.")


class Noise(Block):
    """Noise that is mixed in, while training only."""

    share: _Share = Field(0.7, description="Share of the clips that noise is mixed into.")
    snr_db: tuple[_Decibels, _Decibels] = Field(
        (-5.0, 25.0),
        strict=False,
        description="Lowest and highest ratio of speech to noise, in dB.",
    )
    recordings: Text | list[Text] | None = Field(
        None,
        description="Files, folders or globs of noise, relative to the workflow file. They are"
        " divided: none is heard both in training and in evaluation. Beside them, and without"
        " them, noise is generated, and mixed from the voices of other clips.",
    )


def _named(noise: object) -> object:
    """`noise: recordings/` names recordings, and leaves the rest as it is."""
    return {"recordings": noise} if isinstance(noise, str | list) else noise


class Room(Block):
    """Reverberation, while training only."""

    share: _Share = Field(0.2, description="Share of the clips that sound as in a room.")
    longest_s: float = Field(
        0.5, ge=0.01, le=5.0, description="Longest time until a room is silent (RT60), in s."
    )


class Clipping(Block):
    """Overdriven inputs, while training only."""

    share: _Share = Field(0.1, description="Share of the clips whose peaks are cut off.")
    most_db: float = Field(18.0, ge=0.0, le=60.0, description="Most that is cut off, in dB.")


class Augment(Block):
    """Random changes of each clip, drawn anew each epoch, while training only."""

    noise: Annotated[Noise, BeforeValidator(_named)] = Field(
        Noise(), description="Noise mixed in: generated, recorded, or other voices."
    )
    room: Room = Field(Room(), description="Reverberation.")
    clipping: Clipping = Field(Clipping(), description="Overdriven inputs.")
    narrow_band: _Share = Field(
        0.1, description="Share of the clips that lose what a narrow line, as a telephone, loses."
    )
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
