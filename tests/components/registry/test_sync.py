"""A registry that keeps what it is told follows a ledger, whatever goes wrong in between."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from pushed import make_version

from components.registry.interface import STATE_TAGS, Registration
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

    def entries(self, kept: Collection[str]) -> dict[str, str]:
        return {r.manifest.push_id: f"entry-{r.version}" for r in self.registered}

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
    written = file.stat().st_mtime_ns
    register_versions(registry, ledger, serving, file)
    assert [r.version for r in registry.registered] == [1, 2]
    assert file.stat().st_mtime_ns == written


def test_a_restored_version_is_the_same_as_its_first(serving: Path, file: Path) -> None:
    restore_version(serving / "1", serving, content=1, min_version=2, withdraws=2, reason="slow")
    registry = Kept()
    register_versions(registry, ledger_of(serving), serving, file)
    assert [r.same_as for r in registry.registered] == [None, None, "entry-1"]
    state = {entry: set(tags) & {*STATE_TAGS} for entry, tags in registry.tags.items()}
    assert state == {"entry-1": set(), "entry-2": {"auricle.failed"}, "entry-3": set()}
    assert registry.tags["entry-3"]["auricle.restores"] == "1"
    assert registry.aliases == {"candidate": "entry-2", "champion": "entry-3"}


def test_what_was_registered_before_the_registry_failed_is_kept(serving: Path, file: Path) -> None:
    registry = Kept(fails_at=2)
    with pytest.raises(RegistryError):
        register_versions(registry, ledger_of(serving), serving, file)
    ledger = read_ledger(file)
    assert entries(file) == ["entry-1", None]
    assert ledger.registered_state != ledger.state
    registry.fails_at = None
    register_versions(registry, ledger, serving, file)
    assert [r.version for r in registry.registered] == [1, 2]
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


def test_a_registry_that_lost_everything_is_told_again(serving: Path, file: Path) -> None:
    register_versions(Kept(), ledger_of(serving), serving, file)
    (serving / "1").rename(serving.parent / "gone")
    ledger, _ = follow(read_ledger(file), serving)
    registry = Kept()
    register_versions(registry, ledger, serving, file)
    assert [r.version for r in registry.registered] == [2]
    assert entries(file) == [None, "entry-2"]  # the first has no files any more
    assert registry.aliases == {"candidate": "entry-2", "champion": "entry-2"}
