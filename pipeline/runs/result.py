"""What a run did, and where its results are."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, computed_field

from pipeline.runs.records import RunRecord
from schemas.outcomes import RunOutcome


class RunResult(BaseModel):
    """What a run did, and where its results are: paths, or URIs of a store. `pushed_to` is None
    where nothing was pushed.
    """

    model_config = ConfigDict(frozen=True)

    record: RunRecord
    report: Path | str
    log: Path
    pushed_to: Path | str | None
    reused: list[str]
    ran: list[str]
    notes: list[str]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> RunOutcome:
        """What became of the model."""
        return self.record.outcome

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reasons(self) -> list[str]:
        """Why it was published or not."""
        return self.record.reasons
