"""Common Voice (Ardila et al. 2020): tables of clips beside a folder `clips`."""

from collections.abc import Iterator
from pathlib import Path

from components.example_gen.text_tables import read_table
from components.storage.location import location_of
from pipeline.datasets.importers.row import Found, Item, Noted, Skipped, require
from schemas.errors import ClipError

_SPLITS = {"train.tsv": "train", "dev.tsv": "eval", "test.tsv": "test"}
_ALL = "validated.tsv"
_METADATA = ("age", "gender", "accents", "locale", "variant")
_SINGLE_WORDS = "Singleword"


def list_rows(source: Path) -> Iterator[Item]:
    """A row for each clip of the official splits, or of `validated.tsv` where they are not there.

    `sentence` becomes the text, and in the segment of single words also the label; `client_id` the
    speaker.
    """
    has_splits = all((source / name).is_file() for name in _SPLITS)
    require(source, *(_SPLITS if has_splits else (_ALL,)), layout="commonvoice")
    for name, split in (_SPLITS if has_splits else {_ALL: None}).items():
        table = location_of(source / name)
        # A quote is a letter of the sentence, also where it is the first.
        for number, line in read_table(
            table, "\t", ["path", "sentence"], quotes=False, strict=True
        ):
            place = f"{name}:{number}"
            if isinstance(line, ClipError):
                yield Skipped(place, "no row of the table", line.detail)
                continue
            path, text = line.get("path"), line.get("sentence")
            if not path or not text:
                yield Skipped(place, "expected path and sentence")
                continue
            if not line.get("client_id"):
                yield Noted(place, "no client_id: the speaker is unknown")
            row = {
                "audio_filepath": f"{source}/clips/{path}",
                "text": text,
                "label": text if line.get("segment") == _SINGLE_WORDS else None,
                "speaker": line.get("client_id"),
                "id": path,
                "split": split,
            }
            yield Found(place, row | {key: line.get(key) for key in _METADATA})
