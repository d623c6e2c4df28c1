"""Files of answers: a row for each clip that was answered, as JSON lines or Parquet."""

import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from components.inference.handler import AnsweredPart
from components.inference.rows import Format
from components.tasks.feeding import Answer
from schemas.errors import ClipError
from schemas.reports.model_card import ModelCard
from schemas.reports.rejects import Reject

if TYPE_CHECKING:
    import pyarrow


def answered_rows(answered: AnsweredPart, card: ModelCard, version: int) -> list[dict[str, Any]]:
    """What a file says of each clip that was answered.

    `scores` has each label of the model; a score is a float32, and None where the task
    gives none. `heard` and `is_none` are those of `auricle predict`.
    """
    return [
        {
            "id": row["id"],
            "uri": row["path"],
            "channel": row["channel"],
            "offset_s": row["offset_s"],
            "duration_s": row["duration_s"],
            **_answer(outcome, card),
            "model": card.name,
            "version": version,
        }
        for row, outcome in zip(answered.rows, answered.outcomes, strict=True)
        if not isinstance(outcome, ClipError)
    ]


def rejected_rows(answered: AnsweredPart, settings: str) -> list[Reject]:
    """The rows of which the model heard nothing, as ingest has them."""
    return [
        Reject(
            id=row["id"],
            uri=row["path"],
            reason=outcome.reason,
            detail=outcome.detail,
            decoder=outcome.decoder,
            settings=settings,
        )
        for row, outcome in zip(answered.rows, answered.outcomes, strict=True)
        if isinstance(outcome, ClipError)
    ]


def encode(rows: Sequence[dict[str, Any]], labels: Sequence[str], form: Format) -> bytes:
    """The content of a file of answers; the same rows give the same bytes."""
    if form == "jsonl":
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist(list(rows), schema=_schema(labels))
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def join(
    contents: Iterable[bytes], write: Callable[[bytes], None], labels: Sequence[str], form: Format
) -> None:
    """Writes one file of answers that holds those of several, in their order."""
    if form == "jsonl":
        for content in contents:
            write(content)
        return
    import pyarrow.parquet

    file = io.BytesIO()
    with pyarrow.parquet.ParquetWriter(file, _schema(labels)) as writer:
        for content in contents:
            writer.write_table(pyarrow.parquet.read_table(io.BytesIO(content)))
            write(file.getvalue())
            file.seek(0)
            file.truncate()
    write(file.getvalue())


def _answer(answers: list[Answer], card: ModelCard) -> dict[str, Any]:
    best = answers[0] if answers else Answer("", None)
    said: dict[str, Any] = {"label": best.text, "score": _short(best.score)}
    if card.labels:
        scores = {answer.text: _short(answer.score) for answer in answers}
        said["scores"] = {label: scores.get(label) for label in card.labels}
    said |= {"heard": None, "is_none": None}
    if best.score is not None:
        said["heard"] = card.is_heard(best.text, best.score)
        said["is_none"] = card.is_none(best.text, best.score)
    return said


def _short(score: float | None) -> float | None:
    """A number that is the same float32 in fewer digits than the double; None of what is none."""
    return None if score is None or math.isnan(score) else float(f"{score:.9g}")


def _schema(labels: Sequence[str]) -> "pyarrow.Schema":
    import pyarrow

    scores = pyarrow.struct([(label, pyarrow.float32()) for label in labels])
    return pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("uri", pyarrow.string()),
            ("channel", pyarrow.int32()),
            ("offset_s", pyarrow.float64()),
            ("duration_s", pyarrow.float64()),
            ("label", pyarrow.string()),
            ("score", pyarrow.float32()),
            *([("scores", scores)] if labels else []),
            ("heard", pyarrow.bool_()),
            ("is_none", pyarrow.bool_()),
            ("model", pyarrow.string()),
            ("version", pyarrow.int32()),
        ]
    )
