"""Two runs on the clips that both were tested on: how much better one is, by slice."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from components.evaluation.intervals import Paired, difference_interval
from components.evaluation.scores import ClipScores, read_scores
from pipeline.runs.records import RunRecord
from schemas.errors import InputError
from schemas.reports.metrics import Interval


class SliceDifference(BaseModel):
    """Of one slice, or of all clips (`feature` is empty): accuracies of both runs, the second less
    the first, and the interval of that.
    """

    feature: str
    value: str
    clips: int
    first: float
    second: float
    difference: float
    interval: Interval


class Comparison(BaseModel):
    """`clips` are those that both runs were tested on; `slices` with the largest loss first."""

    first: int
    second: int
    clips: int
    only_first: int
    only_second: int
    confidence: float
    overall: SliceDifference
    slices: list[SliceDifference]


def compare_runs(first: RunRecord, second: RunRecord) -> Comparison:
    """The paired differences of two runs, clip by clip.

    Raises:
        InputError: the scores of a run are gone, or no clip is in both.
    """
    tables = [_read(record) for record in (first, second)]
    _, ours, theirs = np.intersect1d(
        _keys(tables[0]), _keys(tables[1]), assume_unique=True, return_indices=True
    )
    if not len(ours):
        raise InputError("no clip was tested in both runs with the same label: nothing to compare")
    right = [
        table.is_right(table.candidate)[places]
        for table, places in zip(tables, (ours, theirs), strict=True)
    ]
    confidence = second.verdict.confidence

    def difference(feature: str, value: str, chosen: np.ndarray) -> SliceDifference:
        one, other = right[0][chosen], right[1][chosen]
        paired = Paired(
            both=int((one & other).sum()),
            only_candidate=int((other & ~one).sum()),
            only_baseline=int((one & ~other).sum()),
            neither=int((~one & ~other).sum()),
        )
        low, high = difference_interval(paired, confidence)
        return SliceDifference(
            feature=feature,
            value=value,
            clips=paired.clips,
            first=float(one.mean()),
            second=float(other.mean()),
            difference=paired.difference,
            interval=Interval(low=low, high=high),
        )

    columns = {"label": tables[1].labels, **tables[1].features}
    slices = [
        difference(feature, value, column[theirs] == value)
        for feature, column in columns.items()
        for value in np.unique(column[theirs]).tolist()
    ]
    return Comparison(
        first=first.number,
        second=second.number,
        clips=len(ours),
        only_first=len(tables[0].ids) - len(ours),
        only_second=len(tables[1].ids) - len(ours),
        confidence=confidence,
        overall=difference("", "", np.ones(len(ours), np.bool_)),
        slices=sorted(slices, key=lambda s: (s.difference, s.feature, s.value)),
    )


def _read(record: RunRecord) -> ClipScores:
    try:
        return read_scores(Path(record.scores)).counted
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the scores of run {record.number} are gone: {error}") from error


def _keys(scores: ClipScores) -> np.ndarray:
    """What makes a clip the same in both runs: its id and its label."""
    return np.array([f"{i}\0{label}" for i, label in zip(scores.ids, scores.labels, strict=True)])
