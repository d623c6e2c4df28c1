"""What an importer yields, and how it says that a folder is not of its layout."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import DataError

# A manifest row; `audio_filepath` absolute or relative to the working folder.
Row = dict[str, object]


@dataclass(frozen=True)
class Skipped:
    """Something in the source that cannot be a row: where it is, and why."""

    place: str
    reason: str


def require(source: Path, *patterns: str, layout: str) -> None:
    """Refuses a `source` in which nothing matches one of `patterns`.

    Raises:
        DataError: with what was looked for and what is there.
    """
    if not source.is_dir():
        raise DataError(f"{source} is not a folder")
    for pattern in patterns:
        if next(source.glob(pattern), None) is None:
            names = sorted(path.name for path in source.iterdir())
            found = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") or "nothing"
            raise DataError(
                f"{source} is not a {layout} data set: expected {pattern}, found {found}"
            )


def read_json_lines(path: Path) -> Iterator[tuple[str, Row | None]]:
    """(place, object) of each line of a `.jsonl` or `.jsonl.gz` file; None where it is none."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except ValueError:
                    row = None
                yield f"{path.name}:{number}", row if isinstance(row, dict) else None


def without_empty(row: Row) -> Row:
    """`row` without the keys that hold nothing."""
    return {key: value for key, value in row.items() if value not in (None, "")}
