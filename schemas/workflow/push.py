"""Where a blessed model goes."""

from pydantic import Field

from schemas.workflow.block import Block, Text


class Push(Block):
    """Where a blessed model goes."""

    directory: Text = Field(
        "serving", description="Serving directory; relative to the run directory."
    )
    keep: int = Field(
        5,
        ge=1,
        description="Versions kept there; what is served and what a rollback needs always are.",
    )
