"""What all JSON documents share."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A JSON document: unknown keys are refused, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
