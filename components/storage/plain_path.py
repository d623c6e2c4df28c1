"""Paths that a library would take for a pattern or a part of a URL, such as `takes [v2]?`."""

import contextlib
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

_MAGIC = re.compile(r"[*?\[\\]")


@contextlib.contextmanager
def plain_path(folder: str) -> Iterator[str]:
    """A path to `folder`, which is there and means itself also as a pattern.

    Beam, TFMA and TensorFlow look for files by patterns, which cannot be quoted everywhere. The
    path is good while the block lasts, for processes of this user. A URI stays as it is.
    """
    if "://" in folder or not _MAGIC.search(folder):
        yield folder
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def sqlite_url(database: Path) -> str:
    """Where SQLAlchemy finds an SQLite file: a URL, in which a `?` would begin the options."""
    if "?" not in str(database):
        return f"sqlite:///{database}"
    return f"sqlite:///file:{urllib.parse.quote(str(database))}?uri=true"
