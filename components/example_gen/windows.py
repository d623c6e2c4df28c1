"""Long recordings become rows of one window each; the audio itself is cut when it is read.

A window belongs to its recording's speaker or file, so all windows of one fall into one split.
"""

from collections.abc import Iterator
from dataclasses import replace

from components.audio.probe import Header, probe
from schemas.background import LONGEST_S
from schemas.utterance import Utterance
from schemas.workflow.data import Cut

_LEAST_SHARE = 0.5  # of a window: a shorter rest is no window of its own
_SLACK_S = 1e-6


def cut_recordings(rows: list[Utterance], cut: Cut) -> list[Utterance]:
    """The windows of all `rows`; a row whose length cannot be told stays whole.

    Lengths are read from the files' headers where the manifest does not say them. Its decoder says
    what is wrong with a row that stayed whole.
    """
    unknown = sorted({row.path for row in rows if row.duration_s is None})
    lengths = {
        path: header.duration_s if isinstance(header, Header) else 0.0
        for path, header in zip(unknown, probe(unknown), strict=True)
    }
    windows: list[Utterance] = []
    for row in rows:
        length_s = row.duration_s
        if length_s is None:
            length_s = lengths[row.path] - row.offset_s
        windows += _windows(row, length_s, cut) if 0 < length_s <= LONGEST_S else [row]
    return windows


def _windows(row: Utterance, length_s: float, cut: Cut) -> Iterator[Utterance]:
    number = 0
    while number == 0 or number * cut.step_s + _LEAST_SHARE * cut.window_s <= length_s + _SLACK_S:
        start_s = number * cut.step_s
        yield replace(
            row,
            id=f"{row.id}#{number:06d}",
            offset_s=round(row.offset_s + start_s, 6),
            duration_s=round(min(cut.window_s, length_s - start_s), 6),
        )
        number += 1
