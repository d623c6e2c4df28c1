"""NeMo manifests: JSON lines much like ours, with `command` for the label in its recipes."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, read_json_lines, without_empty
from schemas.errors import DataError


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each line of the manifest `source`, or of all of them in a folder."""
    folder = source if source.is_dir() else source.parent
    files = (
        sorted([*source.glob("*.json"), *source.glob("*.jsonl")]) if source.is_dir() else [source]
    )
    if not files or not source.exists():
        raise DataError(f"{source} is not a nemo manifest, nor a folder with *.json or *.jsonl")
    for file in files:
        for place, row in read_json_lines(file):
            path = row.get("audio_filepath") if row else None
            if row is None or not isinstance(path, str):
                yield Skipped(place, "expected a JSON object with audio_filepath")
                continue
            named = row | {
                "audio_filepath": str(folder / path),
                "label": row.get("label") or row.get("command"),
            }
            yield without_empty({key: value for key, value in named.items() if key != "command"})
