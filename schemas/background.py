"""The list of background recordings that a run hears, as it is handed to Evaluator."""

from pydantic import BaseModel, ConfigDict, TypeAdapter

LONGEST_S = 24 * 3600.0  # of a recording; a header may claim years


class BackgroundRecording(BaseModel):
    """A long recording without keywords; `length_s` is what its header claims, at most a day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str
    length_s: float
    sha256: str = ""


BACKGROUND_LIST = TypeAdapter(list[BackgroundRecording])
