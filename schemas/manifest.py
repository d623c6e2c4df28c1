"""Values of a manifest's row, checked."""

from collections.abc import Mapping

from schemas.errors import ClipError


def text_of(row: Mapping[str, object], key: str) -> str:
    """The text that a row has under `key`.

    Raises:
        ClipError: `bad_row`, the key is not there, or something else than text.
    """
    if key not in row:
        raise ClipError("bad_row", f"no key {key!r}; got {', '.join(map(repr, row))}"[:300])
    value = row[key]
    if not isinstance(value, str) or not value.strip() or not is_text(value):
        raise ClipError("bad_row", f"{key}: expected a non-empty string, got {value!r:.200}")
    return value


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: JSON can spell half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
