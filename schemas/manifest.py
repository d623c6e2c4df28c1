"""Values of a manifest's row, checked."""

import math
from collections.abc import Mapping
from typing import TypeGuard

from schemas.errors import ClipError

CHANNEL = "channel"
MOST_CHANNELS = 65535  # that a header has room for
MOST_SECONDS = 1e9
LONGEST_TEXT = 4096  # characters, as of a path


def text_of(row: Mapping[str, object], key: str) -> str:
    """The text that a row has under `key`; a number is text, too.

    Raises:
        ClipError: `bad_row`, the key is not there, or something else than text.
    """
    if key not in row:
        raise ClipError("bad_row", f"no key {key!r}; got {', '.join(map(repr, row))}"[:300])
    value = row[key]
    if not isinstance(value, str) and _is_number(value) and abs(value) < math.inf:
        value = str(value)
    if isinstance(value, str) and value.strip() and is_text(value):
        if len(value) <= LONGEST_TEXT:
            return value
        got = f"{len(value):,}, which begin with {value[:40]!r}"
        raise ClipError("bad_row", f"{key}: expected up to {LONGEST_TEXT:,} characters, got {got}")
    raise ClipError("bad_row", f"{key}: expected a non-empty string, got {value!r:.200}")


def optional_text_of(row: Mapping[str, object], key: str) -> str:
    """The text that a row has under `key`; empty where it has none.

    Raises:
        ClipError: `bad_row`, something else than text.
    """
    return "" if is_nothing(row.get(key)) else text_of(row, key)


def is_nothing(value: object) -> bool:
    """Whether a value says nothing: null, or a text of blanks; 0 and false say something."""
    return value is None or (isinstance(value, str) and not value.strip())


def seconds_of(row: Mapping[str, object], key: str) -> float | None:
    """The time in s, from 0 to `MOST_SECONDS`, that a row has under `key`; None where it has none.

    Raises:
        ClipError: `bad_row`, something else.
    """
    value = row.get(key)
    if value is None:
        return None
    if not _is_number(value) or not 0 <= value <= MOST_SECONDS:
        raise ClipError("bad_row", f"{key}: expected seconds from 0 on, got {value!r:.200}")
    return float(value)


def channel_of(row: Mapping[str, object]) -> int | None:
    """The one channel of the recording that a row is, from 0 on; None where it is all of them.

    Raises:
        ClipError: `bad_row`, something else than a whole number.
    """
    value = row.get(CHANNEL)
    if value is None:
        return None
    if not _is_number(value) or not 0 <= value <= MOST_CHANNELS or value % 1:
        expected = "expected the number of one channel, counted from 0"
        raise ClipError("bad_row", f"{CHANNEL}: {expected}, got {value!r:.200}")
    return int(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: JSON can spell half of a surrogate pair."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return "\0" not in value
