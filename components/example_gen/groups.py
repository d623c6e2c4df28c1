"""Values that meet by a number, on disk: in one process what Beam's grouping is on many workers."""

import contextlib
import pickle
import sqlite3
from collections.abc import Iterator
from typing import Any


class Groups(contextlib.AbstractContextManager["Groups"]):
    """Values by a number, in a scratch file of this machine, without a name.

    Raises:
        sqlite3.OperationalError: this machine's folder for scratch files is full.
    """

    def __init__(self) -> None:
        self._table = sqlite3.connect("")
        self._table.execute("CREATE TABLE found (number INTEGER, value BLOB)")
        self._table.execute("CREATE INDEX numbers ON found (number)")

    def __exit__(self, *_: object) -> None:
        self._table.close()

    def add(self, number: int, value: Any) -> None:
        """One more of this number."""
        self._table.execute("INSERT INTO found VALUES (?, ?)", (number, pickle.dumps(value)))

    def values(self, number: int) -> Iterator[Any]:
        """Those of one number, in the order in which they were added."""
        found = "SELECT value FROM found WHERE number = ? ORDER BY rowid"
        return (pickle.loads(value) for (value,) in self._table.execute(found, (number,)))

    def __iter__(self) -> Iterator[tuple[int, Iterator[Any]]]:
        """Each number once, in their order, with its values."""
        numbers = self._table.execute("SELECT DISTINCT number FROM found ORDER BY number")
        return ((number, self.values(number)) for (number,) in numbers)
