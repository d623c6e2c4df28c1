"""Clips behind the cells of a confusion matrix: which of them the report lets one hear."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluation.scores import ClipScores
from components.pages.clips import ScoredClip

Cell = tuple[str, str]  # true class, answered class

WRONG_CLIPS_OF_A_CELL = 6
RIGHT_CLIPS_OF_A_CELL = 2
CLIPS_IN_ALL = 150  # or the page grows heavy


@dataclass(frozen=True)
class HeardCell:
    """Some of the `total` clips of a cell, the most telling first; links lead to `anchor`."""

    anchor: str
    total: int
    clips: Sequence[ScoredClip]


@dataclass(frozen=True)
class CellClips:
    """How many clips a cell has, and the places of a few: of wrong answers those with the highest
    score first, of right ones those with the lowest.
    """

    total: int
    first: list[int]


def clips_by_cell(scores: ClipScores) -> dict[Cell, CellClips]:
    """The cells that have clips."""
    targets, answers = scores.targets, scores.candidate.answers
    sign = np.where(answers == targets, np.float32(1), np.float32(-1))
    cells = targets.codes.astype(np.int64) * len(answers.values) + answers.codes
    order = np.lexsort((sign * np.nan_to_num(scores.candidate.confidence), cells))
    numbers, starts, totals = np.unique(cells[order], return_index=True, return_counts=True)
    found = {}
    for number, start, total in zip(numbers, starts, totals, strict=True):
        true, answered = divmod(int(number), len(answers.values))
        cell = (str(targets.values[true]), str(answers.values[answered]))
        first = order[start : start + min(total, WRONG_CLIPS_OF_A_CELL)].tolist()
        found[cell] = CellClips(int(total), first)
    return found


def most_frequent(clips: Mapping[Cell, int]) -> list[Cell]:
    """The cells of wrong answers, those with the most clips first, then the largest share."""
    of_class: dict[str, int] = defaultdict(int)
    for (true, _), count in clips.items():
        of_class[true] += count
    wrong = [cell for cell, count in clips.items() if cell[0] != cell[1] and count]
    return sorted(wrong, key=lambda cell: (-clips[cell], -clips[cell] / of_class[cell[0]], cell))


def heard_places(scores: ClipScores, most_cells: int | None) -> list[int]:
    """Clips for the page: the first of each wrong cell, the most frequent first, and of each right
    one, before the second of any. Of the `most_cells` most frequent wrong cells alone, if given.
    """
    cells = clips_by_cell(scores)
    wrong = most_frequent({cell: clips.total for cell, clips in cells.items()})[:most_cells]
    right = [] if most_cells else sorted(cell for cell in cells if cell[0] == cell[1])
    shown = [cells[cell].first for cell in wrong]
    shown += [cells[cell].first[:RIGHT_CLIPS_OF_A_CELL] for cell in right]
    turns = range(max(map(len, shown), default=0))
    return [places[turn] for turn in turns for places in shown if turn < len(places)][:CLIPS_IN_ALL]


def heard_cells(
    scores: ClipScores, places: Iterable[int], clips: Mapping[str, ScoredClip]
) -> dict[Cell, HeardCell]:
    """The cells that the clips at `places` are in; `clips` holds these by id."""
    found: dict[Cell, list[ScoredClip]] = defaultdict(list)
    wanted = np.array(list(places), np.intp)
    for id_ in scores.ids[wanted].tolist():
        scored = clips[id_]
        found[scored.clip.target, scored.answer].append(scored)
    cells = clips_by_cell(scores)
    return {
        cell: HeardCell(f"cell-{number}", cells[cell].total, heard)
        for number, (cell, heard) in enumerate(found.items(), start=1)
    }
