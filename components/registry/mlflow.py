"""MLflow as the model registry: an SQLite file of our own, or any tracking server.

A registered version is a version of the registered model that has the workflow's name. Each model
that was trained has a run in the experiment of that name, with settings, metrics and pictures; that
of a registered one holds its files. MLflow reads user and password of a
server from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.
"""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from components.registry.interface import ALIASES, Registration, metrics_of
from components.registry.training import Training
from schemas.errors import RegistryError

# Before the import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException

from components.registry.mlflow_model import MODEL, SAVED_MODEL, write_model_files
from components.registry.mlflow_runs import (
    MODEL_DIGEST,
    delete_reports,
    find_run,
    record_training,
    settings_of,
)

_PUSH_ID = "auricle.push_id"


class MlflowRegistry:
    """The registered model `name` of an MLflow server or database."""

    def __init__(self, name: str, uri: str, artifacts: Path | None = None) -> None:
        """Opens the registry; `artifacts` is where files go, the server's own place if not given.

        Raises:
            RegistryError: it does not answer.
        """
        self._name = name
        self._client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        with _explained(uri):
            self._experiment = self._find_experiment(artifacts)
        self._uri = uri

    @classmethod
    def embedded(cls, name: str, directory: Path) -> "MlflowRegistry":
        """The registry in `registry.sqlite` of a run directory, whose files go to `registry/`.

        Before another version of MLflow than the last one opens the database, and perhaps migrates
        it, a copy of it is made beside it.
        """
        database = directory / "registry.sqlite"
        _prepare(database)
        uri = database_uri(database)
        try:
            return cls(name, uri, directory / "registry")
        except RegistryError as error:
            if "out-of-date database schema" not in str(error):
                raise
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
        migrated = subprocess.run(command, capture_output=True, text=True)
        if migrated.returncode:
            raise RegistryError(
                f"{database} is of another version of MLflow and cannot be migrated; a copy of it"
                f" lies beside it: {migrated.stderr.strip()[-300:]}"
            )
        return cls(name, uri, directory / "registry")

    def register(self, registration: Registration) -> str:
        """The number MLflow gives the version, as text."""
        with _explained(self._uri):
            found = self._find(registration)
            if found is not None:
                return found
            run_id, source = self._store(registration)
            made = self._client.create_model_version(
                self._name,
                source=source,
                run_id=run_id,
                tags=registration.tags,
                description=registration.card_text,
            )
            return str(made.version)

    def annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        with _explained(self._uri):
            for key, value in tags.items():
                self._client.set_model_version_tag(self._name, entry, key, value)

    def point(self, aliases: Mapping[str, str]) -> None:
        with _explained(self._uri):
            there = self._client.get_registered_model(self._name).aliases
            for alias, entry in aliases.items():
                if str(there.get(alias)) != entry:
                    self._client.set_registered_model_alias(self._name, alias, entry)
            for alias in set(ALIASES) & set(there) - set(aliases):
                self._client.delete_registered_model_alias(self._name, alias)

    def record(self, training: Training) -> None:
        """Has the run of a training say what was found out about its model.

        Raises:
            RegistryError: MLflow does not answer; to be done again, which changes nothing twice.
        """
        with _explained(self._uri):
            record_training(self._client, self._experiment, training)

    def delete_reports(self, data: set[str]) -> int:
        """Deletes the reports of runs on data sets with these digests; says how many.

        Raises:
            RegistryError: MLflow does not answer, or deletes nothing.
        """
        with _explained(self._uri):
            return delete_reports(self._client, self._uri, self._experiment, data)

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self._client.get_experiment_by_name(self._name)
        if found is not None:
            return str(found.experiment_id)
        where = artifacts.as_uri() if artifacts else None
        return str(self._client.create_experiment(self._name, artifact_location=where))

    def _find(self, registration: Registration) -> str | None:
        """The entry that an earlier attempt made, before it could be written down."""
        try:
            self._client.create_registered_model(self._name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        push_id = registration.manifest.push_id
        made = self._client.search_model_versions(f"name = '{self._name}'")
        return next((str(v.version) for v in made if v.tags.get(_PUSH_ID) == push_id), None)

    def _store(self, registration: Registration) -> tuple[str, str]:
        """Run and place of the files, which are stored now unless they are from before."""
        if registration.same_as is not None:
            stored = self._client.get_model_version(self._name, registration.same_as)
            return str(stored.run_id), str(stored.source)
        run_id = self._run_of(registration)
        self._client.log_batch(
            run_id,
            metrics=[
                Metric(key, value, 0, 0) for key, value in metrics_of(registration.verdict).items()
            ],
            params=settings_of(registration.card),
            tags=[RunTag(key, value) for key, value in registration.tags.items()],
        )
        with registration.folder.local_copy() as folder:
            self._client.log_artifacts(run_id, str(folder), f"{MODEL}/{SAVED_MODEL}")
        with tempfile.TemporaryDirectory() as scratch:
            write_model_files(registration.card, run_id, Path(scratch))
            self._client.log_artifacts(run_id, scratch, MODEL)
        self._client.set_terminated(run_id)
        return run_id, f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL}"

    def _run_of(self, registration: Registration) -> str:
        """The run an earlier attempt began, that of the model's training, or a new one."""
        manifest = registration.manifest
        push_id = manifest.push_id
        for tag, value in ((_PUSH_ID, push_id), (MODEL_DIGEST, manifest.model_digest)):
            found = find_run(self._client, self._experiment, tag, value)
            if found is not None:
                return str(found.info.run_id)
        made = self._client.create_run(
            self._experiment,
            start_time=round(registration.manifest.created.timestamp() * 1000),
            tags={_PUSH_ID: push_id},
            run_name=f"{self._name} {registration.version}",
        )
        return str(made.info.run_id)


def database_uri(database: Path) -> str:
    """Where MLflow finds an SQLite file: a URL, in which a `?` would begin the options."""
    if "?" not in str(database):
        return f"sqlite:///{database}"
    return f"sqlite:///file:{urllib.parse.quote(str(database))}?uri=true"


def _prepare(database: Path) -> None:
    """Has SQLite write ahead, so that MLflow's pages and a run do not wait for each other; copies
    a database that another version of MLflow wrote last.
    """
    major, minor, patch = (int(part) for part in mlflow.__version__.split(".")[:3])
    ours = 1_000_000 * major + 1000 * minor + patch
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            [last] = connection.execute("PRAGMA user_version").fetchone()
            if last not in (0, ours):
                copy = database.with_name(f"registry.before-mlflow-{mlflow.__version__}.sqlite")
                with contextlib.closing(sqlite3.connect(copy)) as target:
                    connection.backup(target)
            connection.execute(f"PRAGMA user_version={ours}")
    except (sqlite3.DatabaseError, OSError) as error:
        raise RegistryError(f"{database} cannot be MLflow's database: {error}") from error


@contextlib.contextmanager
def _explained(uri: str) -> Iterator[None]:
    """Turns what MLflow and its HTTP client raise into a RegistryError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        what = str(error).strip().partition("\n")[0]
        raise RegistryError(f"the registry {uri} does not answer: {what}") from error
