"""A metadata store of another version is migrated with a copy kept, or refused with the way out."""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ml_metadata.metadata_store import metadata_store
from ml_metadata.proto import metadata_store_pb2

from pipeline.metadata.store import open_store, prepare_store
from schemas.errors import RunDirectoryError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store with one artifact type."""
    file = tmp_path / "metadata.sqlite"
    assert prepare_store(file) == []
    open_store(file).put_artifact_type(metadata_store_pb2.ArtifactType(name="Clip"))
    return file


def ask(file: Path, question: str) -> object:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        answer = connection.execute(question).fetchone()
        connection.commit()
    return answer and answer[0]


def test_it_is_written_ahead(file: Path) -> None:
    assert ask(file, "PRAGMA journal_mode") == "wal"
    assert prepare_store(file) == []


@contextlib.contextmanager
def held(file: Path) -> Iterator[sqlite3.Connection]:
    """Another connection has begun to write, as another process would."""
    with contextlib.closing(sqlite3.connect(file, check_same_thread=False)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        yield connection


@pytest.mark.parametrize("ask_store", [open_store, prepare_store])
def test_one_that_is_held_is_waited_for_and_that_is_said(
    file: Path, ask_store: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    with held(file) as connection:
        threading.Timer(1.5, connection.close).start()
        ask_store(file)
    assert [str(file) in record.getMessage() for record in caplog.records] == [True]
    assert [t.name for t in open_store(file).get_artifact_types()] == ["Clip"]


def test_one_that_is_held_for_too_long_is_not_called_damaged(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.metadata.store._LONGEST_WAIT_S", 0.1)
    with held(file), pytest.raises(RunDirectoryError, match="held by another process"):
        open_store(file)


def test_an_older_one_is_migrated(file: Path) -> None:
    version = ask(file, "SELECT schema_version FROM MLMDEnv")
    assert isinstance(version, int)
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = str(file)
    metadata_store.downgrade_schema(config, version - 1)
    [said] = prepare_store(file)
    assert said.startswith("metadata.sqlite ")
    assert ask(file, "SELECT schema_version FROM MLMDEnv") == version
    assert [t.name for t in open_store(file).get_artifact_types()] == ["Clip"]
    copy = file.with_name("metadata.before-migration.sqlite")
    assert ask(copy, "SELECT schema_version FROM MLMDEnv") == version - 1


def test_a_newer_one_is_refused(file: Path) -> None:
    ask(file, "UPDATE MLMDEnv SET schema_version = 99")
    with pytest.raises(RunDirectoryError, match="99"):
        prepare_store(file)


def test_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "metadata.sqlite"
    file.write_text("no database, but long enough to be looked at as one" * 20)
    with pytest.raises(RunDirectoryError, match=r"metadata\.sqlite"):
        prepare_store(file)
