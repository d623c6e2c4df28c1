"""Spans: a data set that grows by folders of their own, numbered or dated, as TFX counts them.

`data/{SPAN}/manifest.jsonl` matches numbers, `data/{YYYY}-{MM}-{DD}/manifest.jsonl` dates.
"""

import re

from components.storage.location import Location
from schemas.spans import SPAN_PART, SPAN_PARTS


def newest_spans(folder: Location, pattern: str, window: int | None) -> list[Location]:
    """The files of the newest `window` spans below `folder`, of all where it is None; the oldest
    first.
    """
    shape = re.compile(
        "".join(
            SPAN_PARTS.get(part, re.escape(part)) for part in re.split(r"(\{[A-Z]+\})", pattern)
        )
    )
    found: dict[tuple[int, ...], list[Location]] = {}
    for file in folder.matching(SPAN_PART.sub("*", pattern)):
        if (match := shape.fullmatch(file.relative_to(folder))) and file.is_present():
            found.setdefault(tuple(map(int, match.groups())), []).append(file)
    newest = sorted(found)[-window:] if window else sorted(found)
    return [file for span in newest for file in found[span]]
