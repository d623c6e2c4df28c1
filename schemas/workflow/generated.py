"""Speech spoken by eSpeak NG instead of recordings."""

from pydantic import Field

from schemas.workflow.block import Block, Text

COMMAND_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


class Generated(Block):
    """Speech spoken by eSpeak NG's voices and mixed with generated noise; needs no recordings."""

    words: list[Text] = Field(list(COMMAND_WORDS), min_length=2, description="The words to speak.")
    speakers: int = Field(
        60, ge=3, le=2000, description="Distinct voices: voice, variant, pitch, rate."
    )
    takes: int = Field(2, ge=1, le=1000, description="Clips of each word by each speaker.")
    snr_db: tuple[float, float] = Field(
        (5.0, 30.0), strict=False, description="Range of the random signal-to-noise ratio, in dB."
    )
    seed: int = Field(1, ge=0, description="Seed of voices, noise and levels.")
