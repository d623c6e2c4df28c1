"""Lists in words, the same in errors, verdicts, report and on the terminal."""

from collections.abc import Sequence


def some(names: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first `most` of them, and how many more there are.

    >>> some(["a", "b", "c", "d"], 3), some(["a is low", "b is low"], 1, "; ")
    ('a, b, c and 1 more', 'a is low; and 1 more')
    """
    shown, rest = separator.join(names[:most]), len(names) - most
    if rest <= 0:
        return shown
    return f"{shown}{'; and' if separator == '; ' else ' and'} {rest:,} more"
