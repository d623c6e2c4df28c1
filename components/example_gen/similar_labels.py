"""Labels that a reader takes for one: they differ in case, or in characters that look the same."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

# Letters of Cyrillic and Greek, in lower case, that are drawn as these of Latin.
_CYRILLIC = "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d"
_GREEK = "\u03bf\u03bd\u03b9\u03c5\u03ba"
_DRAWN_ALIKE = str.maketrans(_CYRILLIC + _GREEK, "aeopcyxijshdqw" + "oviuk")
_DASHES, _QUOTES = "Pd", "\u2019\u2018\u02bc`\u00b4"
_NAMED = 10


def similar_labels(clips: Mapping[str, int]) -> Iterator[str]:
    """A sentence for each group of labels that look alike, from the number of clips of each."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(clips):
        groups[_look(label)].append(label)
    found = [labels for labels in groups.values() if len(labels) > 1]
    for labels in found[:_NAMED]:
        named = ", ".join(f"{_spelled(label, labels)} {_count(clips[label])}" for label in labels)
        yield f"labels that look alike are learned as different ones: {named}"
    if len(found) > _NAMED:
        yield f"{len(found) - _NAMED:,} more groups of labels look alike"


def _count(clips: int) -> str:
    return "(1 clip)" if clips == 1 else f"({clips:,} clips)"


def _look(label: str) -> str:
    """What two labels share that look alike.

    >>> _look("Yes") == _look("yes "), _look("cafe") == _look("café")
    (True, False)
    """
    folded = unicodedata.normalize("NFKC", label).casefold().translate(_DRAWN_ALIKE)
    seen = unicodedata.normalize("NFKC", "".join(map(_drawn, folded)))
    return " ".join(seen.split())


def _drawn(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Cf", "Cc") and not character.isspace():  # drawn as nothing
        return ""
    if kind == _DASHES:
        return "-"
    return "'" if character in _QUOTES else character


def _spelled(label: str, others: Sequence[str]) -> str:
    """A label in quotes, with the names of the characters that only the reader's eye confuses."""
    shared = set.intersection(*({*other} for other in others))
    odd = sorted({each for each in label if not each.isascii()} - shared)
    names = [unicodedata.name(each, f"U+{ord(each):04X}") for each in odd]
    return f"{label!r}{' with ' if names else ''}{', '.join(names)}"
