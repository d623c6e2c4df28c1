"""Names of files and folders as the storage spells them: not all programs compose accents."""

import unicodedata

from components.storage.location import Location
from schemas.text import composed


def as_spelled(place: Location) -> Location:
    """What is there under this name; else under one that differs in how accents are composed; else
    `place` itself.
    """
    if str(place).isascii() or _is_there(place):
        return place
    above = as_spelled(place.parent)
    return next(
        (above / each for each in _names(above) if composed(each) == composed(place.name)), place
    )


def spellings(pattern: str) -> set[str]:
    """A pattern as it is, and with all accents composed, and with none."""
    return {pattern, *(unicodedata.normalize(form, pattern) for form in ("NFC", "NFD"))}


def _is_there(place: Location) -> bool:
    try:
        return place.is_present() or any(place.children())
    except OSError:
        return True  # and whoever reads it says what is wrong


def _names(folder: Location) -> list[str]:
    try:
        files, folders = folder.children()
    except OSError:
        return []
    return [*files, *folders]
