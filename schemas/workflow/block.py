"""What all blocks of a workflow file share."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.text import plain


class Block(BaseModel):
    """A block of the file: unknown keys are refused, values are never coerced, defaults hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Text = Annotated[str, Field(min_length=1)]


def _plain_name(written: str) -> str:
    if not (name := plain(written)):
        raise ValueError(f"expected a name, got {written!a}: blank")
    return name


# A label or speaker, spelled as those of the recordings are.
Name = Annotated[Text, AfterValidator(_plain_name)]


Share = Annotated[float, Field(ge=0.0, lt=1.0)]


Seconds = Annotated[float, Field(gt=0.0, le=60.0)]


Milliseconds = Annotated[float, Field(gt=0.0)]
