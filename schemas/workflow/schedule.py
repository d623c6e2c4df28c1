"""When it is trained again."""

from pydantic import Field

from schemas.workflow.block import Block, Text


class Schedule(Block):
    """When `auricle schedule` looks for something new, and what is new enough to train again."""

    cron: Text = Field(
        "0 3 * * *", description="Minute, hour, day of month, month, day of week, as cron reads it."
    )
    timezone: Text = Field("UTC", description="Time zone of the cron line, such as Europe/Berlin.")
    min_new_clips: int = Field(
        1, ge=1, description="How many new or changed clips are a reason to train."
    )
    max_age_days: float | None = Field(
        None, gt=0.0, description="Train again when the last training is older than this, in days."
    )
