"""Whether somebody was at MLflow's database of a run directory since it was last seen to agree.

Importing MLflow to ask that takes longer than all else that a run without news does; its database
answers in a millisecond. What is read here is compared and never understood: where a table is not
known, MLflow is asked.
"""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

from components.storage.location import Location, location_of

_ROWS = (
    "SELECT * FROM registered_models",
    "SELECT * FROM registered_model_aliases",
    "SELECT * FROM model_versions",
    "SELECT * FROM model_version_tags",
    "SELECT experiment_id, lifecycle_stage FROM experiments",
    "SELECT run_uuid, lifecycle_stage FROM runs",
)


def agreement(name: str, directory: Path, ledger: Location) -> bytes:
    """SHA-256, in hex, of a model's name, the ledger, the versions in `registry.sqlite`, and the
    names and sizes of the files in `registry/`; nothing where one of them cannot be read.
    """
    try:
        state = hashlib.sha256(name.encode() + ledger.read())
        database = f"{(directory / 'registry.sqlite').as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
            for rows in _ROWS:
                state.update(repr(sorted(map(repr, connection.execute(rows)))).encode())
    except (OSError, sqlite3.Error):
        return b""
    for path, file in location_of(directory / "registry").files():
        entry = file.entry()
        state.update(repr((path, entry and entry.size_bytes)).encode())
    return state.hexdigest().encode()
