"""The part of a task that adds to the report: what its module has to hold."""

from typing import Protocol, cast

from components.evaluation.scores import ClipScores
from components.pages.section import Judged, Section
from schemas.reports.verdict import Verdict
from schemas.tasks import load_part


class Report(Protocol):
    """`report.py`: the task's part of the report."""

    def places(self, scores: ClipScores) -> list[int]:
        """Of which test clips the sections need audio and answer."""

    def sections(self, judged: Judged) -> list[Section]:
        """The sections of the report, in their order."""

    def facts(self, verdict: Verdict) -> dict[str, str]:
        """Numbers for the head of the report, by what they are called."""


def report(task: str) -> Report:
    """The part `report` of a task."""
    return cast(Report, load_part(task, "report"))
