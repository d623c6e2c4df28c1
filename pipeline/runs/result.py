"""What a run did, and where its results are."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.runs.records import RunRecord


@dataclass(frozen=True)
class RunResult:
    """What a run did, and where its results are; `pushed_to` is None where nothing was pushed."""

    record: RunRecord
    report: Path
    log: Path
    pushed_to: Path | None
    reused: list[str]
    ran: list[str]
    notes: list[str]
