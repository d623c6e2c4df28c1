"""The values of imported rows as a manifest has them; what cannot be one costs its row."""

import contextlib
import math

from components.example_gen.spellings import Spellings
from pipeline.datasets.importers.row import Row, RowError
from schemas.errors import ClipError
from schemas.manifest import CHANNEL, MOST_CHANNELS, MOST_SECONDS, is_nothing, text_of

_NAMES = ("label", "speaker", "text")
_TEXTS = ("id", *_NAMES)
_TIMES = ("offset", "duration")


def as_manifest_row(row: Row, spellings: Spellings) -> Row:
    """`row` with text, times and channel of their kinds, and without what says nothing.

    Raises:
        RowError: a value is of another kind.
    """
    kept = {key: value for key, value in row.items() if not is_nothing(value)}
    for key in ("audio_filepath", *(key for key in _TEXTS if key in kept)):
        kept[key] = text_value(kept, key)
    try:
        for key in _NAMES:
            if key in kept:
                kept[key] = spellings.plain(str(kept[key]))
    except ClipError as error:
        raise RowError("a name that is blank", error.detail) from error
    for key in _TIMES:
        if key in kept:
            kept[key] = seconds(kept[key], key)
    if kept.get("duration") == 0:
        raise RowError("duration: expected more than 0 seconds")
    if CHANNEL in kept:
        kept[CHANNEL] = channel(kept[CHANNEL])
    return kept


def text_value(row: Row, key: str) -> str:
    """The text at `key`; a number is text, too.

    Raises:
        RowError: something else.
    """
    try:
        return text_of(row, key)
    except ClipError as error:
        raise RowError(f"{key}: expected text", row.get(key)) from error


def seconds(value: object, key: str, least: float = 0.0) -> float:
    """A time in s, as a number or as text.

    Raises:
        RowError: something else, or less than `least`.
    """
    found = number(value)
    if found is None or not least <= found <= MOST_SECONDS:
        expected = f"seconds from {least:g} on" if math.isfinite(least) else "seconds"
        raise RowError(f"{key}: expected {expected}", value)
    return found


def channel(value: object) -> int:
    """The number of one channel, from 0 on, as a number or as text.

    Raises:
        RowError: something else.
    """
    found = number(value)
    if found is None or not 0 <= found <= MOST_CHANNELS or found % 1:
        raise RowError(f"{CHANNEL}: expected a number from 0 on", value)
    return int(found)


def number(value: object) -> float | None:
    """A finite number, or what a text of one says; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        found = float(value)
        return found if math.isfinite(found) else None
    return None
