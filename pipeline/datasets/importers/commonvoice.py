"""Common Voice (Ardila et al. 2020): tables of clips beside a folder `clips`."""

import csv
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, require, without_empty

_SPLITS = {"train.tsv": "train", "dev.tsv": "eval", "test.tsv": "test"}
_ALL = "validated.tsv"
_METADATA = ("age", "gender", "accents", "locale", "variant")
_SINGLE_WORDS = "Singleword"


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each clip of the official splits, or of `validated.tsv` where they are not there.

    `sentence` becomes the text, and in the segment of single words also the label; `client_id` the
    speaker.
    """
    has_splits = all((source / name).is_file() for name in _SPLITS)
    require(source, *(_SPLITS if has_splits else (_ALL,)), layout="commonvoice")
    for name, split in (_SPLITS if has_splits else {_ALL: None}).items():
        with (source / name).open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            for number, line in enumerate(table, start=2):
                path, text = line.get("path"), line.get("sentence")
                if not path or not text:
                    yield Skipped(f"{name}:{number}", "expected path and sentence")
                    continue
                row = {
                    "audio_filepath": str(source / "clips" / path),
                    "text": text,
                    "label": text if line.get("segment") == _SINGLE_WORDS else None,
                    "speaker": line.get("client_id"),
                    "id": path,
                    "split": split,
                }
                yield without_empty(row | {key: line.get(key) for key in _METADATA})
