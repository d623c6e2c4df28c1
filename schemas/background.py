"""The list of recordings without labels that a run hears, as it is handed to its steps."""

from pydantic import BaseModel, ConfigDict, TypeAdapter

LONGEST_S = 24 * 3600.0  # of a recording; a header may claim years
SHORTEST_NOISE_S = 1.0  # of all recordings of noise together


class BackgroundRecording(BaseModel):
    """A recording without labels; `length_s` is what its header claims, at most a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str
    length_s: float
    sha256: str = ""


BACKGROUND_LIST = TypeAdapter(list[BackgroundRecording])
