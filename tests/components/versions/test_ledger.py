"""The ledger follows what lies in the serving directory, and can be made again from it."""

import re
from pathlib import Path

import pytest
from pushed import make_version

from components.versions.ledger import follow, read_ledger, write_ledger
from components.versions.serving import restore_version
from schemas.errors import VersionError
from schemas.versions import Ledger


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    """Three versions, and a fourth that restores the second since the third failed."""
    folder = tmp_path / "serving"
    for text in ("a", "b", "c"):
        make_version(folder, text)
    restore_version(folder / "2", folder, content=2, min_version=3, withdraws=3, reason="too noisy")
    return folder


def test_everything_is_known_from_the_folders_alone(serving: Path) -> None:
    ledger, said = follow(Ledger(), serving)
    assert len(said) == 1 and " 4 " in said[0] and str(serving) in said[0]
    assert [(r.version, r.content, r.failed) for r in ledger.versions] == [
        (1, 1, ""),
        (2, 2, ""),
        (3, 3, "too noisy"),
        (4, 2, ""),
    ]
    assert ledger.champion == ledger.find(4)
    assert ledger.previous == ledger.find(1)  # of an older content
    assert ledger.candidate == ledger.find(3)
    assert follow(ledger, serving) == (ledger, [])


def test_a_version_that_failed_is_never_previous(serving: Path) -> None:
    make_version(serving, "d")
    ledger, _ = follow(Ledger(), serving)
    assert ledger.champion == ledger.find(5)
    assert ledger.previous == ledger.find(4)
    third = ledger.find(3)
    assert third is not None
    assert ledger.why_failed(third.model_digest) == "too noisy"


def test_serving_it_again_forgives(serving: Path) -> None:
    restore_version(serving / "3", serving, content=3, min_version=4, withdraws=None, reason="")
    ledger, _ = follow(Ledger(), serving)
    assert [r.failed for r in ledger.versions] == [""] * 5
    assert ledger.previous == ledger.find(4)


def test_what_nobody_wrote_down_is_said(serving: Path) -> None:
    ledger, _ = follow(Ledger(), serving)
    make_version(serving, "d")
    ledger, said = follow(ledger, serving)
    assert [re.findall(r"version (\d)", each) for each in said] == [["5"]]
    restore_version(serving / "2", serving, content=2, min_version=5, withdraws=5, reason="bad")
    [said_once] = follow(ledger, serving)[1]
    assert re.findall(r"version (\d)", said_once) == ["6", "2", "5"]
    assert follow(ledger, serving, expected=6)[1] == []


def test_folders_made_or_removed_by_hand_are_named(serving: Path) -> None:
    ledger, _ = follow(Ledger(), serving)
    (serving / "1").rename(serving / "kept")
    (serving / "9").mkdir()
    ledger, said = follow(ledger, serving)
    assert len(said) == 2
    assert "/9 " in said[0]
    assert said[1].startswith("version 1 ")
    first = ledger.find(1)
    assert first is not None and not first.is_there
    assert ledger.newest == 4
    assert ledger.previous is None


def test_written_and_read(serving: Path, tmp_path: Path) -> None:
    file = tmp_path / "versions.json"
    assert read_ledger(file) == Ledger()
    assert Ledger().state == Ledger().registered_state  # nothing to tell a registry
    ledger, _ = follow(Ledger(), serving)
    write_ledger(ledger, file)
    assert read_ledger(file) == ledger
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["versions.json"]
    file.write_text('{"versions": 3}')
    with pytest.raises(VersionError, match=r"versions\.json"):
        read_ledger(file)
