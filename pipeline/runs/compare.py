"""Two runs on the clips that both were tested on: how much better one is, by slice."""

import hashlib

import numpy as np
from pydantic import BaseModel

from components.evaluation.score_files import read_scores
from components.evaluation.scores import ClipScores, Pairs
from components.evaluation.tallies import Tally
from components.tasks.parts import scoring
from pipeline.runs.records import RunRecord
from schemas.errors import InputError
from schemas.reports.metrics import Interval


class SliceDifference(BaseModel):
    """Of one slice, or of all clips (`feature` is empty): the headline numbers of both runs, the
    second less the first, and the interval of that.
    """

    feature: str
    value: str
    clips: int
    first: float
    second: float
    difference: float
    interval: Interval


class Comparison(BaseModel):
    """`clips` are those that both runs were tested on; `slices` with the largest loss first.

    `headline` is what is compared, with its `unit`, and whether a higher one is better.
    """

    first: int
    second: int
    clips: int
    only_first: int
    only_second: int
    confidence: float
    headline: str
    unit: str
    higher_is_better: bool
    overall: SliceDifference
    slices: list[SliceDifference]


def compare_runs(first: RunRecord, second: RunRecord) -> Comparison:
    """The paired differences of two runs, clip by clip.

    Raises:
        InputError: the scores of a run are gone, no clip is in both, or their tasks are judged by
            different numbers.
    """
    names = [(run.verdict.headline.name, run.verdict.headline.unit) for run in (first, second)]
    if names[0] != names[1]:
        raise InputError(
            f"run {first.number} is judged by {names[0][0]}, run {second.number} by {names[1][0]}:"
            " nothing to compare"
        )
    tables = [_read(record) for record in (first, second)]
    _, ours, theirs = np.intersect1d(
        _keys(tables[0]), _keys(tables[1]), assume_unique=True, return_indices=True
    )
    if not len(ours):
        raise InputError("no clip was tested in both runs with the same label: nothing to compare")
    table, measure = tables[1].select(theirs), scoring(second.verdict.task).MEASURE
    pairs = Pairs(
        table.candidate.errors, tables[0].candidate.errors[ours], table.units, table.speakers
    )
    confidence = second.verdict.confidence

    def difference(feature: str, value: str, chosen: np.ndarray) -> SliceDifference:
        part = pairs.select(chosen)
        return SliceDifference(
            feature=feature,
            value=value,
            clips=len(part),
            first=float(measure.value(Tally.of(part.others, part.units))),
            second=float(measure.value(Tally.of(part.errors, part.units))),
            difference=float(measure.difference(part)),
            interval=Interval.of(measure.difference_interval(part, confidence)),
        )

    slices = [
        difference(feature, value, column == value)
        for feature, column in table.features.items()
        for value in column.distinct()
    ]
    sign = 1 if measure.higher_is_better else -1
    return Comparison(
        first=first.number,
        second=second.number,
        clips=len(ours),
        only_first=len(tables[0]) - len(ours),
        only_second=len(tables[1]) - len(ours),
        confidence=confidence,
        headline=measure.name,
        unit=measure.unit,
        higher_is_better=measure.higher_is_better,
        overall=difference("", "", table.everything),
        slices=sorted(slices, key=lambda s: (sign * s.difference, s.feature, s.value)),
    )


def _read(record: RunRecord) -> ClipScores:
    try:
        return read_scores(record.scores).counted
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the scores of run {record.number} are gone: {error}") from error


def _keys(scores: ClipScores) -> np.ndarray:
    """What makes a clip the same in both runs, its id and its target, as numbers: [clips]."""
    pairs = zip(scores.ids, scores.targets, strict=True)
    keys = (hashlib.sha256(f"{id_}\0{target}".encode()).digest() for id_, target in pairs)
    return np.fromiter((int.from_bytes(key[:8], "big") for key in keys), np.uint64)
