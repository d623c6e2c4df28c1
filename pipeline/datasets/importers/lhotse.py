"""lhotse manifests: recordings and supervisions, or cuts, as JSON lines, gzipped or not."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.importers.row import Row, Skipped, read_json_lines, without_empty
from schemas.errors import DataError


def list_rows(source: Path) -> Iterator[Row | Skipped]:
    """A row for each supervision of the manifests in `source`.

    A text of one word is also the label. Audio that is not in a file of its own is skipped. Paths
    that are not absolute are taken from the folder that holds the manifests.
    """
    found = {
        kind: sorted([*source.glob(f"*{kind}*.jsonl"), *source.glob(f"*{kind}*.jsonl.gz")])
        for kind in ("cuts", "recordings", "supervisions")
    }
    if found["recordings"] and found["supervisions"]:
        yield from _list_supervisions(source, found["recordings"], found["supervisions"])
    elif found["cuts"]:
        yield from _list_cuts(source, found["cuts"])
    else:
        raise DataError(
            f"{source} is not a lhotse data set: expected *recordings*.jsonl[.gz] with"
            " *supervisions*.jsonl[.gz], or *cuts*.jsonl[.gz]"
        )


def _list_supervisions(
    source: Path, recordings: list[Path], supervisions: list[Path]
) -> Iterator[Row | Skipped]:
    paths = {
        row["id"]: _audio_path(row)
        for file in recordings
        for _, row in read_json_lines(file)
        if row is not None and "id" in row
    }
    for file in supervisions:
        for place, row in read_json_lines(file):
            path = paths.get(row.get("recording_id")) if row else None
            yield _row(source, path, row or {}, 0.0) if path else Skipped(place, "no audio file")


def _list_cuts(source: Path, files: list[Path]) -> Iterator[Row | Skipped]:
    for file in files:
        for place, cut in read_json_lines(file):
            cut = cut or {}
            path, supervisions = _audio_path(cut.get("recording")), cut.get("supervisions")
            if path is None or not supervisions or not isinstance(supervisions, list):
                yield Skipped(place, "no audio file" if supervisions else "no supervision")
                continue
            for supervision in supervisions:
                yield _row(source, path, supervision, _start_s(cut))


def _audio_path(recording: object) -> str | None:
    match recording:
        case {"sources": [{"type": "file", "source": source}]}:
            return str(source)
    return None


def _start_s(values: Row) -> float:
    return float(str(values.get("start") or 0.0))


def _row(source: Path, path: str, supervision: Row, cut_start: float) -> Row:
    """The start of a supervision is that in its cut, and a cut's that in its recording."""
    text = str(supervision.get("text") or "")
    return without_empty(
        {
            "audio_filepath": str(source / path),
            "id": supervision.get("id"),
            "text": text,
            "label": text if len(text.split()) == 1 else None,
            "speaker": supervision.get("speaker"),
            "offset": round(cut_start + _start_s(supervision), 6),
            "duration": supervision.get("duration"),
            "language": supervision.get("language"),
            "gender": supervision.get("gender"),
        }
    )
