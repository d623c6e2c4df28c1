"""How often a model hears a keyword where there is none, and misses one that is there.

What a model answers on long recordings without keywords is a table of windows. One part of them
chooses the threshold, the other says how many false alarms an hour it lets through: a threshold
always looks good on the recordings that it was chosen on.
"""

import bisect
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.evaluation.score_files import write_arrays
from components.evaluation.scores import ClipScores, Texts
from schemas.utterance import is_keyword

BACKGROUND_FILE = "background.npz"  # beside the scores of the test clips
_SLACK_S = 1e-6

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Background:
    """What a model answered on every window of recordings that hold no keyword.

    `names` and `lengths_s` are [recordings]. `recordings` (which one), `start_s` and `scores` are
    [windows], in order: the score of the answer where it is a keyword, else 0. A window is `clip_s`
    long. `left_out` are recordings that could not be heard, with why.
    """

    names: Texts
    lengths_s: Numbers
    recordings: NDArray[np.int64]
    start_s: Numbers
    scores: NDArray[np.float32]
    clip_s: float
    left_out: dict[str, str]

    @property
    def not_finite(self) -> int:
        """Windows with a score that is no number."""
        return int((~np.isfinite(self.scores)).sum())


@dataclass(frozen=True)
class Part:
    """Some of the background: `start_s` and `scores` of its windows, [windows].

    Times are those of one long recording, in which what was apart stays apart.
    """

    hours: float
    start_s: Numbers
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class _Piece:
    """A recording, or half of one."""

    recording: int
    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s


def divide(background: Background) -> tuple[Part, Part]:
    """The part that chooses a threshold, and the part that judges it.

    Recordings stay whole, the longest are dealt first, each to the part that has less. One that is
    more than twice as long as all others together is cut in its middle, and windows across the cut
    are left out. So no part is more than twice as long as the other.
    """
    order = sorted(
        range(len(background.names)),
        key=lambda number: (-background.lengths_s[number], background.names[number]),
    )
    pieces = [_Piece(number, 0.0, float(background.lengths_s[number])) for number in order]
    if pieces and pieces[0].length_s > 2 * sum(piece.length_s for piece in pieces[1:]):
        longest = pieces.pop(0)
        middle_s = longest.length_s / 2
        pieces = [
            _Piece(longest.recording, 0.0, middle_s),
            _Piece(longest.recording, middle_s, longest.end_s),
            *pieces,
        ]
    parts: tuple[list[_Piece], list[_Piece]] = [], []
    for piece in pieces:
        min(parts, key=lambda part: sum(each.length_s for each in part)).append(piece)
    choose, judge = parts
    return _part(background, choose), _part(background, judge)


def _part(background: Background, pieces: list[_Piece]) -> Part:
    starts: list[Numbers] = [np.empty(0)]
    scores: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
    elapsed_s = 0.0
    for piece in pieces:
        start_s = background.start_s
        # The window of a recording shorter than a clip ends with it.
        end_s = np.minimum(start_s + background.clip_s, background.lengths_s[background.recordings])
        inside = (
            (background.recordings == piece.recording)
            & (start_s >= piece.start_s - _SLACK_S)
            & (end_s <= piece.end_s + _SLACK_S)
        )
        starts.append(elapsed_s + start_s[inside] - piece.start_s)
        scores.append(background.scores[inside])
        elapsed_s += piece.length_s + background.clip_s
    hours = sum(piece.length_s for piece in pieces) / 3600
    return Part(hours, np.concatenate(starts), np.concatenate(scores))


def count_alarms(part: Part, threshold: float, clip_s: float) -> int:
    """How often a keyword is heard: windows whose score is `threshold` or more, and above 0.

    Windows that begin within `clip_s` of an alarm are the same alarm; what goes on is another. So
    a lower threshold never has fewer, and a model that never stops has the most there can be.
    """
    heard = part.start_s[(part.scores >= np.float32(threshold)) & (part.scores > 0)]
    alarms, quiet_until_s = 0, -math.inf
    for start_s in heard.tolist():
        if start_s >= quiet_until_s - _SLACK_S:
            alarms += 1
            quiet_until_s = start_s + clip_s
    return alarms


def choose_threshold(part: Part, most_per_hour: float, clip_s: float) -> float:
    """The lowest threshold with at most `most_per_hour` alarms an hour in `part`; 0 if all are.

    It is the next float32 above the highest score that lets too many through.
    """
    most = math.floor(most_per_hour * part.hours + 1e-9)
    scores = np.unique(part.scores[part.scores > 0])
    kept = bisect.bisect_left(
        range(len(scores)), True, key=lambda n: count_alarms(part, scores[n], clip_s) <= most
    )
    return float(np.nextafter(scores[kept - 1], np.float32(np.inf))) if kept else 0.0


def keyword_clips(scores: ClipScores) -> NDArray[np.bool_]:
    """Of which test clips the label is a keyword: bool [clips]."""
    return scores.targets.matching(is_keyword)


def missed_clips(scores: ClipScores, threshold: float) -> NDArray[np.bool_]:
    """Which clips of keywords are not heard as what they are at `threshold`: bool [clips]."""
    model = scores.candidate
    is_heard = model.is_right & (model.merit >= np.float32(threshold))
    missed: NDArray[np.bool_] = keyword_clips(scores) & ~is_heard
    return missed


def write_background(background: Background, file: Path) -> None:
    """Writes the table as compressed numpy arrays."""
    arrays = {
        "names": background.names,
        "lengths_s": background.lengths_s,
        "recordings": background.recordings,
        "start_s": background.start_s,
        "scores": background.scores,
        "clip_s": np.array(background.clip_s),
        "left_out": np.array(list(background.left_out), np.str_),
        "left_out_why": np.array(list(background.left_out.values()), np.str_),
    }
    write_arrays(arrays, file)


def read_background(file: Path) -> Background:
    """The table that `write_background` wrote.

    Raises:
        OSError: it is not there.
        ValueError: it is another file.
    """
    with np.load(file, allow_pickle=False) as arrays:
        left_out = zip(arrays["left_out"].tolist(), arrays["left_out_why"].tolist(), strict=True)
        return Background(
            names=arrays["names"],
            lengths_s=arrays["lengths_s"],
            recordings=arrays["recordings"],
            start_s=arrays["start_s"],
            scores=arrays["scores"],
            clip_s=float(arrays["clip_s"]),
            left_out=dict(left_out),
        )
