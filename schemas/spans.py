"""The parts that stand for a span in a pattern of manifests, as TFX writes them."""

import re

SPAN_PART = re.compile(r"\{[A-Z]+\}")
SPAN_PARTS = {
    "{SPAN}": r"(?P<span>\d+)",
    "{YYYY}": r"(?P<year>\d{4})",
    "{MM}": r"(?P<month>\d{2})",
    "{DD}": r"(?P<day>\d{2})",
}
_DATE = {"{YYYY}", "{MM}", "{DD}"}


def has_spans(pattern: str) -> bool:
    """Whether a pattern of manifests names spans."""
    return bool(SPAN_PART.search(pattern))


def why_no_spans(pattern: str) -> str:
    """Why a pattern's spans cannot be used; empty where they can, or where it has none."""
    found = SPAN_PART.findall(pattern)
    if unknown := sorted(set(found) - set(SPAN_PARTS)):
        return f"{', '.join(unknown)} in {pattern!r}"
    if len(found) != len(set(found)):
        return f"the same part twice in {pattern!r}"
    if set(found) & _DATE and set(found) != _DATE:
        return f"{', '.join(found)} in {pattern!r}"
    return ""
