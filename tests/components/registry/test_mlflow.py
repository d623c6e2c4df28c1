"""MLflow as registry, in a file and as a real server on loopback, asked by MLflow itself."""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from pushed import LINEAGE, make_card, make_verdict, make_version
from trainings import DATA, make_training
from waiting import wait_until

from components.registry import Registration
from components.registry.mlflow import MlflowRegistry
from components.storage.location import location_of
from components.storage.plain_path import sqlite_url
from components.versions.manifest import verify
from schemas.errors import RegistryError
from schemas.reports.model_card import MODEL_CARD_FILE

# Of libraries beneath MLflow.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:sqlalchemy", "ignore::DeprecationWarning")


def register(registry: MlflowRegistry, folder: Path, same_as: str | None = None) -> str:
    return registry.register(
        Registration(
            version=int(folder.name),
            folder=location_of(folder),
            manifest=verify(folder),
            card=make_card(train={"epochs": 3}),
            verdict=make_verdict(),
            card_text="# digits\n",
            same_as=same_as,
        )
    )


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    for text in ("a", "b"):
        make_version(tmp_path / "serving", text)
    return tmp_path / "serving"


def test_a_folder_that_no_url_could_name(serving: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a?b #%41"
    folder.mkdir()
    registry = MlflowRegistry.embedded("digits", folder)
    entry = register(registry, serving / "1")
    client = MlflowClient(sqlite_url(folder / "registry.sqlite"))
    assert client.get_model_version("digits", entry).tags
    assert {path.name for path in tmp_path.iterdir()} == {"serving", folder.name}
    assert len(list(folder.glob("registry/*/artifacts/model/saved_model/saved_model.pb"))) == 1


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    options += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.sqlite"]
    options += ["--artifacts-destination", str(tmp_path / "files"), "--serve-artifacts"]
    # Jobs have processes of their own, which have nothing to do with the registry.
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            stdout=log,
            stderr=log,
            env=os.environ | settings,
            start_new_session=True,
        )
        try:
            _wait_for(uri, process)
            yield uri
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_for(uri: str, process: subprocess.Popen[bytes]) -> None:
    def is_healthy() -> bool:
        try:
            urllib.request.urlopen(f"{uri}/health").close()
        except OSError:
            return False
        return True

    wait_until(is_healthy, process)


def check(client: MlflowClient, registry: MlflowRegistry, serving: Path, scratch: Path) -> None:
    """Two versions are registered, described and pointed at, whoever the registry is."""
    first, second = register(registry, serving / "1"), register(registry, serving / "2")
    assert (first, second) == ("1", "2")
    assert register(registry, serving / "1") == "1"  # again, as after a kill
    registry.point({"candidate": "2", "champion": "2", "previous": "1"})
    registry.annotate("1", {"auricle.failed": "too noisy"})
    made = client.get_model_version_by_alias("digits", "champion")
    assert str(made.version) == "2"
    assert made.description == "# digits\n"
    assert made.tags["auricle.push_id"] == verify(serving / "2").push_id
    assert made.tags["auricle.parent"] == "1"
    assert made.tags["auricle.examples_sha256"] == LINEAGE.examples
    assert client.get_model_version("digits", "1").tags["auricle.failed"] == "too noisy"
    run = client.get_run(made.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["accuracy"] == 0.912
    assert run.data.metrics["accuracy_low"] == pytest.approx(0.882)
    assert run.data.params["train.epochs"] == "3"
    folder = Path(client.download_artifacts(made.run_id, "model", str(scratch)))
    assert verify(folder / "saved_model") == verify(serving / "2")
    assert json.loads((folder / "saved_model" / MODEL_CARD_FILE).read_text())["name"] == "digits"
    assert len(client.search_model_versions("name = 'digits'")) == 2
    registry.point({"champion": "1"})
    assert client.get_registered_model("digits").aliases.keys() == {"champion"}


def check_mended(client: MlflowClient, registry: MlflowRegistry, serving: Path) -> None:
    """What somebody deletes is missing among the entries, or restored."""
    push_ids = [verify(serving / name).push_id for name in "12"]
    assert registry.entries(push_ids) == dict(zip(push_ids, "12", strict=True))
    client.delete_run(client.get_model_version("digits", "1").run_id)
    assert set(registry.entries(push_ids)) == set(push_ids)
    assert client.get_run(client.get_model_version("digits", "1").run_id).info.lifecycle_stage == (
        "active"
    )
    client.delete_model_version("digits", "1")
    assert registry.entries(push_ids) == {push_ids[1]: "2"}
    client.delete_registered_model("digits")
    assert registry.entries(push_ids) == {}
    registry.point({})
    assert register(registry, serving / "2") == "1"


def test_a_file_of_our_own(serving: Path, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    registry = MlflowRegistry.embedded("digits", directory)
    (tmp_path / "scratch").mkdir()
    client = MlflowClient(f"sqlite:///{directory}/registry.sqlite")
    check(client, registry, serving, tmp_path / "scratch")
    with sqlite3.connect(directory / "registry.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_server(serving: Path, server: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    registry = MlflowRegistry("digits", server)
    check(MlflowClient(server), registry, serving, tmp_path / "scratch")
    check_mended(MlflowClient(server), registry, serving)
    report = tmp_path / "report.html"
    report.write_text("<audio>")
    registry.record(make_training(9, "9" * 64, report=location_of(report), is_scheduled=True))
    assert registry.delete_reports({DATA.digest}) == 1
    assert registry.delete_reports({DATA.digest}) == 0
    assert not list((tmp_path / "files").rglob("report.html"))


def test_restored_and_half_registered_versions(serving: Path, tmp_path: Path) -> None:
    registry = MlflowRegistry.embedded("digits", tmp_path / "run")
    client = MlflowClient(f"sqlite:///{tmp_path}/run/registry.sqlite")
    begun = client.create_run(  # and was killed
        client.get_experiment_by_name("digits").experiment_id,
        tags={"auricle.push_id": verify(serving / "1").push_id},
    )
    assert register(registry, serving / "1") == "1"
    assert client.get_model_version("digits", "1").run_id == begun.info.run_id
    again = register(registry, serving / "2", same_as="1")
    first, second = (client.get_model_version("digits", entry) for entry in ("1", again))
    assert (first.source, first.run_id) == (second.source, second.run_id)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:9 "):
        MlflowRegistry("digits", "http://127.0.0.1:9")


def test_another_file_is_no_registry(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_text("some text that is long enough to be looked at" * 9)
    with pytest.raises(RegistryError, match=r"registry\.sqlite"):
        MlflowRegistry.embedded("digits", tmp_path)


def test_an_older_database_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    database = tmp_path / "registry.sqlite"
    open_ = (
        "import sys, pathlib\n"
        "from components.registry.mlflow import MlflowRegistry\n"
        "MlflowRegistry.embedded('digits', pathlib.Path(sys.argv[1]).parent)\n"
    )
    downgrade = (
        "import sys\n"
        "from alembic import command\n"
        "from mlflow.store.db.utils import _get_alembic_config\n"
        "command.downgrade(_get_alembic_config(f'sqlite:///{sys.argv[1]}'), '-1')\n"
    )
    revisions = []
    for program in (open_, downgrade, open_):
        subprocess.run([sys.executable, "-c", program, database], check=True)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            revisions += connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if program == downgrade:
                connection.execute("PRAGMA user_version=3000000")  # MLflow 3.0.0
        assert len(list(tmp_path.glob("registry.before-mlflow-*.sqlite"))) == (len(revisions) == 3)
    assert revisions[0] == revisions[2] != revisions[1]
