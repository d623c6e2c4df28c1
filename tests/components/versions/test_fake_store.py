"""Versions on an object store: published, restored and verified by their manifests."""

import threading
from pathlib import Path

import pytest
from fake_store import FakeStore

from components.storage.location import Location
from components.versions.ledger import follow, read_ledger, write_ledger
from components.versions.manifest import verify
from components.versions.serving import (
    check_serving,
    newest_version,
    push_version,
    pushed_versions,
    remove_leftovers,
    remove_version,
    restore_version,
)
from schemas.errors import VersionError
from schemas.versions import Ledger


@pytest.fixture
def serving(tmp_path: Path) -> Location:
    return Location(FakeStore(tmp_path / "objects"), "bucket/serving")


def make_model(folder: Path, content: str) -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content * 1000)
    return folder


def names(serving: Location) -> list[str]:
    return [version.folder.name for version in pushed_versions(serving)]


def test_a_version_is_pushed_restored_and_removed(tmp_path: Path, serving: Location) -> None:
    check_serving(serving)
    models = [make_model(tmp_path / name, name) for name in "ab"]
    for model in models:
        push_version(model, serving, "digits")
    assert push_version(models[1], serving, "digits").number == 2
    restored = restore_version(
        serving / 1, serving, content=1, min_version=2, withdraws=2, reason="worse"
    )
    assert (restored.folder / "saved_model.pb").read() == b"a"
    assert verify(restored.folder).files == verify(serving / 1).files
    remove_version(serving / 1)
    assert names(serving) == ["2", "3"]


def test_the_ledger_follows_and_is_kept(serving: Location, tmp_path: Path) -> None:
    file = serving.parent / "versions.json"
    assert read_ledger(file) == Ledger()
    push_version(make_model(tmp_path / "a", "a"), serving, "digits")
    ledger, _ = follow(read_ledger(file), serving)
    write_ledger(ledger, file)
    champion = read_ledger(file).champion
    assert champion is not None
    assert champion.version == 1


def test_a_changed_object_is_found(serving: Location, tmp_path: Path) -> None:
    version = push_version(make_model(tmp_path / "a", "a"), serving, "digits").folder
    (version / "saved_model.pb").put(b"b")
    with pytest.raises(VersionError, match=r"changed: saved_model\.pb"):
        verify(version)


def test_what_a_killed_push_left_is_no_version(serving: Location, tmp_path: Path) -> None:
    push_version(make_model(tmp_path / "a", "a"), serving, "digits")
    (serving / "2" / ".publishing").put(b"killed")
    (serving / "2" / "saved_model.pb").put(b"half")
    assert names(serving) == ["1"]
    assert push_version(make_model(tmp_path / "b", "b"), serving, "digits").number == 3
    assert remove_leftovers(serving) == 1
    assert names(serving) == ["1", "3"]


def test_a_polling_reader_never_sees_half_a_version(serving: Location, tmp_path: Path) -> None:
    failed: list[VersionError] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                if (version := newest_version(serving)) is not None:
                    verify(version.folder)
            except VersionError as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(8):
            push_version(make_model(tmp_path / str(number), str(number)), serving, "digits")
    finally:
        stop.set()
        reader.join()
    assert failed == []
    assert names(serving) == [str(number) for number in range(1, 9)]


def test_a_version_is_whole_from_its_manifest_on(serving: Location, tmp_path: Path) -> None:
    """Also before its publisher has taken its claim away."""
    push_version(make_model(tmp_path / "model", "1"), serving, "digits")
    (serving / "1" / ".publishing").put(b"about to end")
    assert verify(serving / "1").push_id
