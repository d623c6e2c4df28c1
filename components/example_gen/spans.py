"""Spans: a data set that grows by folders of their own, numbered or dated, as TFX counts them.

`data/{SPAN}/manifest.jsonl` matches numbers, `data/{YYYY}-{MM}-{DD}/manifest.jsonl` dates.
"""

import glob
import re
from pathlib import Path

from schemas.errors import DataError
from schemas.spans import SPAN_PART, SPAN_PARTS


def span_manifests(pattern: str, workflow_dir: Path, window: int | None) -> list[str]:
    """The manifests of the newest `window` spans, of all where it is None; the oldest first.

    Raises:
        DataError: there is no span.
    """
    shape = re.compile(
        "".join(
            SPAN_PARTS.get(part, re.escape(part)) for part in re.split(r"(\{[A-Z]+\})", pattern)
        )
    )
    found: dict[tuple[int, ...], list[str]] = {}
    for path in glob.glob(SPAN_PART.sub("*", pattern), root_dir=workflow_dir):  # noqa: PTH207
        if (match := shape.fullmatch(path)) and (workflow_dir / path).is_file():
            found.setdefault(tuple(map(int, match.groups())), []).append(path)
    if not found:
        raise DataError(f"data.manifests: {pattern} matches no span (looked in {workflow_dir})")
    newest = sorted(found)[-window:] if window else sorted(found)
    return [path for span in newest for path in sorted(found[span])]
