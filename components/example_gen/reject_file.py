"""The rejects of an ingest, sorted into one file, of which only a few are in memory at a time."""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable

from components.storage.interface import Writer
from schemas.reports.rejects import Reject

_COLUMNS = ("id", "reason", "uri", "detail", "line")  # the order of the file


def write_rejects(rejects: Iterable[Reject], file: Writer) -> Counter[str]:
    """Writes a line each, sorted; how many there are of each reason.

    They are sorted in a scratch file of this machine, without a name.

    Raises:
        sqlite3.OperationalError: this machine's folder for scratch files is full.
    """
    reasons: Counter[str] = Counter()
    with contextlib.closing(sqlite3.connect("")) as table:
        table.execute(f"CREATE TABLE rejects ({', '.join(_COLUMNS)})")
        table.executemany(
            "INSERT INTO rejects VALUES (?, ?, ?, ?, ?)",
            ([value.encode() for value in _values(reject)] for reject in rejects),
        )
        columns = ", ".join(_COLUMNS)
        for line, reason in table.execute(f"SELECT line, reason FROM rejects ORDER BY {columns}"):
            reasons[reason.decode()] += 1
            file.write(line + b"\n")
    return reasons


def _values(reject: Reject) -> tuple[str, ...]:
    return reject.id, reject.reason, reject.uri, reject.detail, reject.model_dump_json()
