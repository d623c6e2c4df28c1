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
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from components.registry.deadline import Deadline, LateError
from components.registry.interface import ALIASES, STATE_TAGS, Registration, metrics_of
from components.registry.training import Training
from components.storage.location import Location
from components.storage.plain_path import sqlite_url
from schemas.errors import RegistryError

# Before the import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")

import mlflow
from mlflow.entities import LifecycleStage, Metric, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from components.registry.mlflow_client import bounded_client
from components.registry.mlflow_model import MODEL, SAVED_MODEL, write_model_files
from components.registry.mlflow_runs import (
    MODEL_DIGEST,
    delete_reports,
    find_run,
    record_training,
    settings_of,
)

_PUSH_ID = "auricle.push_id"
_LOCKED_S = 2.0  # that our own database is waited for
_GONE = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")

Found = TypeVar("Found")


class MlflowRegistry:
    """The registered model `name` of an MLflow server or database. `is_new` where nothing of this
    name was there before.
    """

    def __init__(
        self,
        name: str,
        uri: str,
        artifacts: Path | None = None,
        *,
        patient: bool = True,
    ) -> None:
        """Opens the registry; `artifacts` is where files go, the server's own place if not given.
        One that is not `patient` spends a few seconds in all, also on files.

        Raises:
            RegistryError: it does not answer.
        """
        self._name = name
        self._uri = uri
        self._deadline = Deadline(patient=patient) if artifacts is None else None
        self._client = bounded_client(uri, self._deadline)
        self._tags: dict[str, dict[str, str]] = {}
        self.is_new = False
        self._experiment = self._ask(lambda: self._find_experiment(artifacts))

    @classmethod
    def embedded(cls, name: str, directory: Path) -> "MlflowRegistry":
        """The registry in `registry.sqlite` of a run directory, whose files go to `registry/`.

        Before another version of MLflow than the last one opens the database, and perhaps migrates
        it, a copy of it is made beside it.
        """
        database = directory / "registry.sqlite"
        _prepare(database)
        uri = sqlite_url(database)
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

    def entries(self, kept: Collection[str]) -> dict[str, str]:
        return self._ask(lambda: self._entries(kept))

    def register(self, registration: Registration) -> str:
        """The number MLflow gives the version, as text."""
        return self._ask(lambda: self._register(registration))

    def annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        self._ask(lambda: self._annotate(entry, tags))

    def point(self, aliases: Mapping[str, str]) -> None:
        self._ask(lambda: self._point(aliases))

    def record(self, training: Training) -> None:
        """Has the run of a training say what was found out about its model.

        Raises:
            RegistryError: MLflow does not answer; to be done again, which changes nothing twice.
        """
        entry = training.report.entry() if training.report else None
        self._allow(entry.size_bytes if entry else 0)
        self._ask(lambda: record_training(self._client, self._experiment, training))

    def delete_reports(self, data: set[str]) -> int:
        """Deletes the reports of runs on data sets with these digests; says how many.

        Raises:
            RegistryError: MLflow does not answer, or deletes nothing.
        """
        return self._ask(
            lambda: delete_reports(self._client, self._uri, self._experiment, data, self._allow)
        )

    def _ask(self, ask: Callable[[], Found]) -> Found:
        """What `ask` returns.

        Raises:
            RegistryError: MLflow does not answer, not in time, or not what it should.
        """
        try:
            return self._deadline.wait_for(ask) if self._deadline else ask()
        except LateError:
            assert self._deadline is not None
            raise RegistryError(
                f"the registry {self._uri} did not answer within {self._deadline.limit_s:.0f} s"
            ) from None
        except (MlflowException, SQLAlchemyError, OSError) as error:
            what = str(error).strip().partition("\n")[0]
            raise RegistryError(f"the registry {self._uri} does not answer: {what}") from error

    def _allow(self, size_bytes: int = 0) -> None:
        if self._deadline is not None:
            self._deadline.allow(size_bytes)

    def _entries(self, kept: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        self._tags = {}
        are_whole: dict[tuple[str, str], bool] = {}
        for version in sorted(self._versions(), key=lambda version: int(version.version)):
            entry, push_id = str(version.version), version.tags.get(_PUSH_ID)
            if push_id is None or push_id in found:
                continue
            if push_id in kept:
                stored = str(version.run_id), str(version.source)
                if stored not in are_whole:
                    are_whole[stored] = self._restore_files(stored[0])
                if not are_whole[stored]:
                    self._client.delete_model_version(self._name, entry)
                    continue
            found[push_id] = entry
            self._tags[entry] = dict(version.tags)
        return found

    def _restore_files(self, run_id: str) -> bool:
        """Whether the files of a model are there, whose run somebody may have deleted."""
        self._allow()
        try:
            run = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in _GONE:
                raise
            return False
        if run.info.lifecycle_stage == LifecycleStage.DELETED:
            self._client.restore_run(run_id)
        return bool(self._client.list_artifacts(run_id, f"{MODEL}/{SAVED_MODEL}"))

    def _versions(self) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{self._name}'", page_token=token)
            found += page
            if not (token := page.token):
                return found

    def _register(self, registration: Registration) -> str:
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
        entry = str(made.version)
        if not entry.isdecimal():
            raise RegistryError(
                f"the registry {self._uri} answers what no MLflow does: version {entry!r}"
            )
        self._tags[entry] = registration.tags
        return entry

    def _annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        there = self._tags.setdefault(entry, {})
        for key, value in tags.items():
            if there.get(key) != value:
                self._client.set_model_version_tag(self._name, entry, key, value)
        for key in set(STATE_TAGS) & set(there) - set(tags):
            self._client.delete_model_version_tag(self._name, entry, key)
        self._tags[entry] = {**there, **tags}

    def _point(self, aliases: Mapping[str, str]) -> None:
        try:
            there = self._client.get_registered_model(self._name).aliases
        except MlflowException as error:
            if aliases or error.error_code not in _GONE:
                raise
            return  # nothing was registered yet
        for alias, entry in aliases.items():
            if str(there.get(alias)) != entry:
                self._client.set_registered_model_alias(self._name, alias, entry)
        for alias in set(ALIASES) & set(there) - set(aliases):
            self._client.delete_registered_model_alias(self._name, alias)

    def _find_experiment(self, artifacts: Path | None) -> str:
        found = self._client.get_experiment_by_name(self._name)
        if found is not None:
            if found.lifecycle_stage == LifecycleStage.DELETED:
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        self.is_new = True
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
        made = (v for v in self._versions() if v.tags.get(_PUSH_ID) == push_id)
        return next((str(version.version) for version in made), None)

    def _store(self, registration: Registration) -> tuple[str, str]:
        """Run and place of the files, which are stored now unless they are from before."""
        if registration.same_as is not None:
            stored = self._client.get_model_version(self._name, registration.same_as)
            return str(stored.run_id), str(stored.source)
        self._allow(_size_bytes(registration.folder))
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


def _size_bytes(folder: Location) -> int:
    entries = (file.entry() for _, file in folder.files())
    return sum(entry.size_bytes for entry in entries if entry is not None)


def _prepare(database: Path) -> None:
    """Has SQLite write ahead, so that MLflow's pages and a run do not wait for each other; copies
    a database that another version of MLflow wrote last.
    """
    major, minor, patch = (int(part) for part in mlflow.__version__.split(".")[:3])
    ours = 1_000_000 * major + 1000 * minor + patch
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database, _LOCKED_S)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            [last] = connection.execute("PRAGMA user_version").fetchone()
            if last not in (0, ours):
                copy = database.with_name(f"registry.before-mlflow-{mlflow.__version__}.sqlite")
                with contextlib.closing(sqlite3.connect(copy)) as target:
                    connection.backup(target)
            connection.execute(f"PRAGMA user_version={ours}")
    except (sqlite3.DatabaseError, OSError) as error:
        if "locked" in str(error):
            raise RegistryError(f"{database} is held by another process") from error
        raise RegistryError(f"{database} cannot be MLflow's database: {error}") from error
