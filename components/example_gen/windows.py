"""Long recordings become rows of one window each; the audio itself is cut when it is read.

A window belongs to its recording's speaker or file, so all windows of one fall into one split.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

from components.audio.probe import Header, probe
from schemas.background import LONGEST_S
from schemas.utterance import Utterance
from schemas.workflow.data import Cut

_LEAST_SHARE = 0.5  # of a window: a shorter rest is no window of its own
_SLACK_S = 1e-6
_ROWS_AT_ONCE = 20_000


def cut_recordings(rows: Iterable[Utterance], cut: Cut) -> Iterator[Utterance]:
    """The windows of all `rows`; a row whose length cannot be told stays whole.

    Lengths are read from the files' headers where the manifest does not say them. Its decoder says
    what is wrong with a row that stayed whole.
    """
    rows = iter(rows)
    lengths: dict[str, float] = {}
    while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        # Of the rows before, those of the last file may go on.
        lengths = {path: lengths[path] for path in {row.path for row in some} & lengths.keys()}
        unknown = {row.path for row in some if row.duration_s is None} - lengths.keys()
        lengths |= dict(_lengths_s(sorted(unknown)))
        for row in some:
            length_s = row.duration_s
            if length_s is None:
                length_s = lengths[row.path] - row.offset_s
            if 0 < length_s <= LONGEST_S:
                yield from _windows(row, length_s, cut)
            else:
                yield row


def _lengths_s(paths: list[str]) -> Iterator[tuple[str, float]]:
    for path, header in zip(paths, probe(paths), strict=True):
        yield path, header.duration_s if isinstance(header, Header) else 0.0


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
