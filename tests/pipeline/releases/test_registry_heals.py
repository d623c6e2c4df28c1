"""Whatever somebody does to MLflow, the next command has it say what the serving directory says."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pushed import make_version

from components.versions.ledger import read_ledger
from components.versions.manifest import read_manifest
from pipeline.releases.reconcile import reconcile
from pipeline.releases.registry import agrees
from pipeline.releases.rollout import promote, roll_back
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.workflow.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::Warning:sqlalchemy", "ignore::DeprecationWarning")

BLOCKS = {"data": {"folder": "clips"}, "registry": {"kind": "mlflow"}, "push": {"keep": 3}}


class Published:
    """A workflow with versions, and MLflow as somebody else meets it."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(Workflow.model_validate({"name": "digits", **BLOCKS}), folder)
        self.directory = self.project.run_directory
        with claim(self.project):
            for text in "abc":
                make_version(self.directory.serving, text)
                reconcile(self.project)
        roll_back(self.project, "too noisy")

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.directory.local}/registry.sqlite")

    def entry(self, version: int) -> str:
        record = read_ledger(self.directory.ledger).find(version)
        assert record is not None and record.entry is not None
        return record.entry

    def run_of(self, version: int) -> str:
        run_id: str = self.client.get_model_version("digits", self.entry(version)).run_id
        return run_id

    def check(self) -> None:
        """MLflow says what the serving directory says, of each version once."""
        client, ledger = self.client, read_ledger(self.directory.ledger)
        made = {str(v.version): v for v in client.search_model_versions("name = 'digits'")}
        assert len({v.tags["auricle.push_id"] for v in made.values()}) == len(made)
        for record in ledger.versions:
            if not record.is_there:
                continue
            version = made[record.entry or ""]
            manifest = read_manifest(self.directory.serving / record.version)
            assert version.tags["auricle.push_id"] == manifest.push_id
            assert version.tags["auricle.version"] == str(record.version)
            assert version.tags.get("auricle.failed", "") == record.failed
            assert client.get_run(version.run_id).info.lifecycle_stage == "active"
            assert client.list_artifacts(version.run_id, "model/saved_model")
        aliases = client.get_registered_model("digits").aliases
        wanted = (ledger.champion, ledger.previous, ledger.candidate)
        assert {name: str(entry) for name, entry in aliases.items()} == {
            name: record.entry
            for name, record in zip(("champion", "previous", "candidate"), wanted, strict=True)
            if record
        }


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    found = Published(tmp_path_factory.mktemp("digits"))
    found.check()
    return found


def drop_version(it: Published) -> None:
    it.client.delete_model_version("digits", it.entry(2))


def drop_champion(it: Published) -> None:
    champion = read_ledger(it.directory.ledger).champion
    assert champion is not None
    it.client.delete_model_version("digits", str(champion.entry))


def drop_model(it: Published) -> None:
    it.client.delete_registered_model("digits")


def move_aliases(it: Published) -> None:
    it.client.set_registered_model_alias("digits", "champion", it.entry(3))
    it.client.delete_registered_model_alias("digits", "candidate")
    it.client.set_registered_model_alias("digits", "previous", it.entry(3))


def edit_tags(it: Published) -> None:
    it.client.delete_model_version_tag("digits", it.entry(3), "auricle.failed")
    it.client.set_model_version_tag("digits", it.entry(2), "auricle.failed", "somebody said so")
    it.client.set_model_version_tag("digits", it.entry(2), "auricle.version", "77")


def lose_push_id(it: Published) -> None:
    it.client.delete_model_version("digits", it.entry(2))
    other = it.client.create_model_version("digits", source="file:///nowhere")  # takes a number
    it.client.delete_model_version("digits", other.version)


def delete_run(it: Published) -> None:
    it.client.delete_run(it.run_of(2))


def purge_run(it: Published) -> None:
    run = it.client.get_run(it.run_of(2))
    it.client.delete_run(run.info.run_id)
    it.client._tracking_client.store._hard_delete_run(run.info.run_id)
    shutil.rmtree(run.info.artifact_uri.removeprefix("file://"))


def delete_files(it: Published) -> None:
    shutil.rmtree(it.directory.local / "registry")


def delete_experiment(it: Published) -> None:
    it.client.delete_experiment(it.client.get_experiment_by_name("digits").experiment_id)


def forget_ledger(it: Published) -> None:
    it.directory.ledger.delete()


DAMAGE = [
    drop_version, drop_champion, move_aliases, edit_tags, lose_push_id, delete_run, purge_run,
    delete_files, delete_experiment, forget_ledger, drop_model,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_what_was_done_to_mlflow_is_undone_by_the_next_command(
    published: Published, damage: Callable[[Published], None]
) -> None:
    assert agrees(published.project)
    damage(published)
    assert not agrees(published.project)
    with claim(published.project):
        reconcile(published.project)
    published.check()


def test_also_by_a_promotion(published: Published) -> None:
    drop_champion(published)
    move_aliases(published)
    ledger = read_ledger(published.directory.ledger)
    assert ledger.champion is not None
    other = next(r for r in ledger.versions if r.content != ledger.champion.content and r.is_there)
    promote(published.project, other.version, force=True)
    published.check()


@pytest.fixture
def asked(published: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is asked of MLflow that changes something."""
    names: list[str] = []
    for name in dir(MlflowClient):
        if name.startswith(("set_", "create_", "delete_", "log_", "restore_", "update_")):
            ask = getattr(MlflowClient, name)

            def noted(
                *given: object, _name: str = name, _ask: object = ask, **named: object
            ) -> object:
                names.append(_name)
                return _ask(*given, **named)  # type: ignore[operator]

            monkeypatch.setattr(MlflowClient, name, noted)
    yield names


def test_where_all_agrees_nothing_is_changed(published: Published, asked: list[str]) -> None:
    before = published.directory.ledger.stored().content
    published.directory.agreed.delete()  # so that MLflow is asked
    with claim(published.project):
        assert reconcile(published.project) == []
    assert asked == []
    assert published.directory.ledger.stored().content == before


def test_where_nobody_was_at_it_mlflow_is_not_even_loaded(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.releases.reconcile.open_registry", lambda *_, **__: 1 / 0)
    with claim(published.project):
        assert reconcile(published.project) == []
    renamed = published.project.workflow.model_copy(update={"name": "figures"})
    assert not agrees(Project(renamed, published.project.folder))  # MLflow's model has its name


def test_an_empty_database_is_filled_again(published: Published, tmp_path: Path) -> None:
    """In a copy of it all: MLflow keeps the old one open in this process."""
    shutil.copytree(published.project.folder, tmp_path / "copy")
    copy = Published.__new__(Published)
    copy.project = Project(published.project.workflow, tmp_path / "copy")
    copy.directory = copy.project.run_directory
    for file in copy.directory.local.glob("registry.sqlite*"):
        file.unlink()
    copy.directory.told.put(b'{"run": 3}')
    with claim(copy.project):
        assert reconcile(copy.project) == []
    copy.check()
    assert not copy.directory.told.is_present()  # trainings are told again, too
    shutil.rmtree(copy.directory.serving.path)
    with claim(copy.project):
        reconcile(copy.project)
    aliases = set(copy.client.get_registered_model("digits").aliases)
    assert aliases == {"candidate"}  # nothing is served, nor could be
