"""Lists, names and durations in words, the same in errors, verdicts, report and on the terminal."""

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence

# Blanks, and what has no width: joiners, marks of direction and of byte order, soft hyphens.
_INVISIBLE = "".join(
    map(
        chr,
        [
            *(*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0xAD, 0x061C, 0x1680, 0x180E),
            *(*range(0x2000, 0x2010), *range(0x2028, 0x2030), *range(0x205F, 0x2065)),
            *(*range(0x2066, 0x2070), 0x3000, 0xFEFF),
        ],
    )
)


def some(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first `most` of them, and how many more there are.

    >>> some(["a", "b", "c", "d"], 3), some(["a is low", "b is low"], 1, "; ")
    ('a, b, c and 1 more', 'a is low; and 1 more')
    """
    shown, rest = separator.join(names[:most]), len(names) - most
    if rest <= 0:
        return shown
    return f"{shown}{'; and' if separator == '; ' else ' and'} {rest:,} more"


def composed(name: str) -> str:
    """A name with its accents composed (NFC), as most programs write it."""
    return unicodedata.normalize("NFC", name)


def plain(written: str) -> str:
    """A name or text in the one spelling of those that look the same: letters composed (NFC), and
    nothing invisible at its ends.

    >>> plain(" u\u0308ber ") == "\u00fcber", plain("yes\u200b")
    (True, 'yes')
    """
    if written.isascii():
        return written.strip()
    return composed(written).strip(_INVISIBLE)


def nearest(name: str, names: Iterable[str], cutoff: float = 0.0) -> str | None:
    """The most similar of `names`, whatever their case; None where none is as similar as `cutoff`.

    `cutoff` is a ratio from 0 to 1.

    >>> nearest("lef", ["left", "right"])
    'left'
    """
    by_lower = {each.lower(): each for each in names}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def duration_text(seconds: float) -> str:
    """A duration for people: `3.2 s`, `4 min 05 s`, `2 h 10 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


# What a terminal or a page obeys or draws as nothing: control characters (with the escape
# sequences' first), line and paragraph separators, halves of characters, marks that turn the
# direction of a line, and characters without a shape. Joiners stay: Persian and emoji need them.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb"
    "\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)


def visible(text: str) -> str:
    """`text` on one line, in which each character that acts or hides is spelled out.

    >>> visible("left\\x1b[31m\\nright"), visible("ü 左")
    ('left\\\\x1b[31m\\\\nright', 'ü 左')
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def json_on_a_terminal(text: str) -> str:
    """The same JSON, with what `visible` spells out as escapes of JSON; line ends stay."""
    return _UNSEEN.sub(_as_json, text)


def _as_json(found: re.Match[str]) -> str:
    return found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1]
