"""Clips and numbers as rules word them."""

from fractions import Fraction


def on(clips: int, kind: str = "") -> str:
    """`on 12 test clips`."""
    return f"on {count(clips, kind)}"


def count(clips: int, kind: str = "") -> str:
    """`12 test clips`."""
    return f"{clips:,} {kind}clip" + ("" if clips == 1 else "s")


def between(low: float, high: float, confidence: float, limit: float, unit: str = "") -> str:
    """`between 0.915 and 0.994 with 95% confidence`."""
    low_text, high_text = (bound(end, limit) for end in (low, high))
    return f"between {low_text} and {with_unit(high_text, unit)} with {confidence:.0%} confidence"


def would_decide(needed: int | None, clips: int) -> str:
    """How many more clips than `clips` would decide, where `needed` would."""
    if needed is None:
        return "it is as good as the limit itself, which no number of clips decides"
    return f"about {needed - clips:,} more like these would"


def bound(end: float, limit: float) -> str:
    """An end of an interval, which may be infinite."""
    return number(Fraction(end), limit) if abs(end) != float("inf") else f"{end:g}"


def number(value: Fraction, limit: float) -> str:
    """Three decimals, or as many more as it takes to tell `value` from `limit`."""
    exact = Fraction(repr(limit))
    for digits in range(3, 9):
        text = f"{float(value):.{digits}f}"
        if value == exact or Fraction(text) != exact:
            return text
    return text


def with_unit(text: str, unit: str) -> str:
    """`1.2 dB`, or the number alone where it is a share."""
    return f"{text} {unit}" if unit else text
