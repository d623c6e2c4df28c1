"""A registry that keeps what it is told follows a ledger, whatever goes wrong in between."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pushed import make_version

from components.registry.interface import Registration
from components.registry.sync import register_versions
from components.versions.ledger import follow, read_ledger
from components.versions.serving import restore_version
from schemas.errors import RegistryError, VersionError
from schemas.versions import Ledger


class Kept:
    """A registry in memory; `fails_at` is the version at which it stops answering."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at
        self.registered: list[Registration] = []
        self.tags: dict[str, dict[str, str]] = {}
        self.aliases: Mapping[str, str] | None = None

    def register(self, registration: Registration) -> str:
        if registration.version == self.fails_at:
            raise RegistryError("no answer")
        self.registered.append(registration)
        return f"entry-{registration.version}"

    def annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        self.tags.setdefault(entry, {}).update(tags)

    def point(self, aliases: Mapping[str, str]) -> None:
        self.aliases = aliases


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    for text in "ab":
        make_version(tmp_path / "serving", text)
    return tmp_path / "serving"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "versions.json"


def ledger_of(serving: Path, before: Ledger | None = None) -> Ledger:
    return follow(before or Ledger(), serving)[0]


def entries(file: Path) -> list[str | None]:
    return [record.entry for record in read_ledger(file).versions]


def test_versions_aliases_and_what_is_known_already(serving: Path, file: Path) -> None:
    registry = Kept()
    register_versions(registry, ledger_of(serving), serving, file)
    assert [r.version for r in registry.registered] == [1, 2]
    assert registry.aliases == {
        "candidate": "entry-2",
        "champion": "entry-2",
        "previous": "entry-1",
    }
    ledger = read_ledger(file)
    assert ledger.registered_state == ledger.state != ""
    again = Kept()
    register_versions(again, ledger, serving, file)
    assert again.registered == []
    assert again.aliases == registry.aliases


def test_a_restored_version_is_the_same_as_its_first(serving: Path, file: Path) -> None:
    restore_version(serving / "1", serving, content=1, min_version=2, withdraws=2, reason="slow")
    registry = Kept()
    register_versions(registry, ledger_of(serving), serving, file)
    assert [r.same_as for r in registry.registered] == [None, None, "entry-1"]
    assert registry.tags == {"entry-2": {"auricle.failed": "slow"}}
    assert registry.aliases == {"candidate": "entry-2", "champion": "entry-3"}


def test_what_was_registered_before_the_registry_failed_is_kept(serving: Path, file: Path) -> None:
    with pytest.raises(RegistryError):
        register_versions(Kept(fails_at=2), ledger_of(serving), serving, file)
    ledger = read_ledger(file)
    assert entries(file) == ["entry-1", None]
    assert ledger.registered_state != ledger.state
    registry = Kept()
    register_versions(registry, ledger, serving, file)
    assert [r.version for r in registry.registered] == [2]
    assert entries(file) == ["entry-1", "entry-2"]


def test_a_damaged_version_holds_up_no_other(serving: Path, file: Path) -> None:
    ledger = ledger_of(serving)
    (serving / "1" / "saved_model.pb").write_text("damaged")
    registry = Kept()
    with pytest.raises(VersionError):
        register_versions(registry, ledger, serving, file)
    assert entries(file) == [None, "entry-2"]
    assert registry.aliases == {"candidate": "entry-2", "champion": "entry-2"}
    assert read_ledger(file).registered_state == ""
