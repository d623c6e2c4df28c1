"""Labels and speakers in one spelling, whatever each row has, and a note of what was changed."""

from collections.abc import Iterator

from schemas.errors import ClipError
from schemas.text import plain


class Spellings:
    """Gives names in their plain spelling, and counts those that were written otherwise."""

    def __init__(self) -> None:
        self._changed = 0
        self._first = ("", "")

    def plain(self, written: str) -> str:
        """The plain spelling of a label or speaker.

        Raises:
            ClipError: `bad_row`, nothing of it can be seen.
        """
        name = plain(written)
        if name != written:
            if not name:
                raise ClipError("bad_row", f"expected a name, got {written!a}: blank")
            self._first = self._first if self._changed else (written, name)
            self._changed += 1
        return name

    def notes(self) -> Iterator[str]:
        """How many names were changed, in words, if any."""
        if self._changed:
            written, name = self._first
            yield (
                f"{self._changed:,} labels or speakers were normalised (letters composed, no blanks"
                f" at the ends), such as {written!a} to {name!r}"
            )
