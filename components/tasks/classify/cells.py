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


def clips_by_cell(scores: ClipScores) -> dict[Cell, list[int]]:
    """The places of the clips of each cell: of wrong answers those with the highest score first, of
    right ones those with the lowest.
    """
    model = scores.candidate
    sign = np.where(model.answers == scores.targets, 1, -1)
    order = np.argsort(sign * np.nan_to_num(model.confidence), kind="stable")
    targets, answers = scores.targets.tolist(), model.answers.tolist()
    found: dict[Cell, list[int]] = defaultdict(list)
    for place in order.tolist():
        found[targets[place], answers[place]].append(place)
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
    wrong = most_frequent({cell: len(places) for cell, places in cells.items()})[:most_cells]
    right = [] if most_cells else sorted(cell for cell in cells if cell[0] == cell[1])
    shown = [cells[cell][:WRONG_CLIPS_OF_A_CELL] for cell in wrong]
    shown += [cells[cell][:RIGHT_CLIPS_OF_A_CELL] for cell in right]
    turns = range(max(map(len, shown), default=0))
    return [places[turn] for turn in turns for places in shown if turn < len(places)][:CLIPS_IN_ALL]


def heard_cells(
    scores: ClipScores, places: Iterable[int], clips: Mapping[str, ScoredClip]
) -> dict[Cell, HeardCell]:
    """The cells that the clips at `places` are in; `clips` holds these by id."""
    found: dict[Cell, list[ScoredClip]] = defaultdict(list)
    for place in places:
        scored = clips[str(scores.ids[place])]
        found[scored.clip.target, scored.answer].append(scored)
    cells = clips_by_cell(scores)
    return {
        cell: HeardCell(f"cell-{number}", len(cells[cell]), heard)
        for number, (cell, heard) in enumerate(found.items(), start=1)
    }
