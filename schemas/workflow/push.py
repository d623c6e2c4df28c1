"""Where a blessed model goes."""

from pydantic import Field

from schemas.workflow.block import Block, Text


class Push(Block):
    """Where a blessed model goes."""

    directory: Text = Field(
        "serving",
        description=(
            "Serving directory, of this workflow alone: a path from the run directory on, or a URI."
        ),
    )
    keep: int = Field(
        5,
        ge=1,
        description="How many versions are kept there; the served one and the one a rollback needs"
        " always are.",
    )
