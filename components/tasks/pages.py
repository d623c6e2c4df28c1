"""The part of a task that adds to the report: what its module has to hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from components.evaluation.scores import ClipScores
from components.pages.section import Judged, Section
from schemas.reports.verdict import Verdict
from schemas.tasks import load_part


@dataclass(frozen=True)
class Tracked:
    """What a model registry shows of a verdict beside its headline: metrics by name, in which `/`
    separates parts, and pictures by file name.
    """

    metrics: Mapping[str, float]
    pictures: Mapping[str, bytes]


class Report(Protocol):
    """`report.py`: the task's part of the report; there may be `tracked(verdict) -> Tracked`."""

    def places(self, scores: ClipScores) -> list[int]:
        """Of which test clips the sections need audio and answer."""

    def sections(self, judged: Judged) -> list[Section]:
        """The sections of the report, in their order."""

    def facts(self, verdict: Verdict) -> dict[str, str]:
        """Numbers for the head of the report, by what they are called."""


def report(task: str) -> Report:
    """The part `report` of a task."""
    return cast(Report, load_part(task, "report"))


def tracked(verdict: Verdict) -> Tracked:
    """What a model registry shows of a verdict; nothing of a task that has no such function."""
    find = getattr(report(verdict.task), "tracked", None)
    return find(verdict) if find is not None else Tracked({}, {})
