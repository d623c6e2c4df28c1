"""Who is notified how a run ended."""

from pydantic import Field

from schemas.outcomes import NotifyOn
from schemas.workflow.block import Block, Text


class Notify(Block):
    """Who is notified how a run ended; nobody without a webhook or command."""

    webhook: Text | None = Field(
        None,
        description="Name of the environment variable that holds the webhook's URL, which is a"
        " secret and is kept nowhere.",
    )
    command: list[Text] | None = Field(
        None,
        min_length=1,
        description="Program and arguments; it gets the message as JSON on stdin.",
    )
    on: list[NotifyOn] = Field(
        ["blessed", "refused", "undecided", "failed"],
        min_length=1,
        description="Outcomes to notify about.",
    )
