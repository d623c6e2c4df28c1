"""The runs of an MLflow experiment: one for each model that was trained, published or not."""

import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from components.registry.training import Training
from schemas.reports.model_card import ModelCard

MODEL_DIGEST = "auricle.model_sha256"
_DATA = "auricle.data_sha256"
_SCHEDULE = "auricle.schedule"
_PARENT = "mlflow.parentRunId"
_REPORT = "report.html"
_PICTURES = "pictures"
_LONGEST_VALUE = 500  # of a parameter, in any store
_LONGEST_DIGEST = 36  # of a data set, in any store
_BATCH = 500  # metrics; MLflow takes a thousand at once


def find_run(client: MlflowClient, experiment: str, tag: str, value: str) -> Run | None:
    """The first run with a tag."""
    found = client.search_runs([experiment], f"tags.`{tag}` = '{value}'", order_by=["start_time"])
    return found[0] if found else None


def settings_of(card: ModelCard) -> list[Param]:
    """Every setting of the model card as `block.key`."""
    values = card.model_dump(mode="json", exclude_unset=True)
    blocks = ("audio", "frontend", "augment", "model", "train")
    return [
        Param(f"{block}.{key}", str(value)[:_LONGEST_VALUE])
        for block in blocks
        for key, value in values.get(block, {}).items()
    ]


def record_training(client: MlflowClient, experiment: str, training: Training) -> str:
    """The id of the run of this training, which is made unless there is one, as of a model that was
    registered; it then says what `training` says. Nothing is in it twice.
    """
    name = training.card.name
    began_ms = round(1000 * training.began.timestamp())
    ended_ms = began_ms + round(1000 * training.seconds)
    run = find_run(client, experiment, MODEL_DIGEST, training.model_digest)
    if run is None:
        run = client.create_run(experiment, began_ms, {MODEL_DIGEST: training.model_digest})
    run_id, start_ms = run.info.run_id, run.info.start_time  # the same of the same run
    metrics = [
        Metric(key, value, start_ms + round(1000 * seconds), number)
        for number, seconds, values in training.by_epoch()
        for key, value in values.items()
    ]
    judged = training.judged().items()
    metrics += [Metric(key, value, ended_ms, training.run) for key, value in judged]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
    parent = _parent(client, experiment, name) if training.is_scheduled else None
    client.log_batch(run_id, params=settings_of(training.card), tags=_tags(training, parent))
    if run.inputs is None or not run.inputs.dataset_inputs:
        client.log_inputs(run_id, [_data_set(training)])
    _store_files(client, run_id, training)
    client.set_terminated(run_id, end_time=max(start_ms, ended_ms))
    return str(run_id)


def delete_reports(
    client: MlflowClient, uri: str, experiment: str, data: set[str], allow: Callable[[], None]
) -> int:
    """Deletes the reports of all runs on these data sets; says how many. `allow` is called before
    each, which takes its time.
    """
    deleted = 0
    for digest in sorted(data):
        for run in client.search_runs([experiment], f"tags.`{_DATA}` = '{digest}'"):
            allow()
            if any(file.path == _REPORT for file in client.list_artifacts(run.info.run_id)):
                files = get_artifact_repository(run.info.artifact_uri, tracking_uri=uri)
                files.delete_artifacts(_REPORT)
                deleted += 1
    return deleted


def _parent(client: MlflowClient, experiment: str, name: str) -> str:
    """The run below which MLflow shows the runs that the schedule started."""
    run = find_run(client, experiment, _SCHEDULE, name)
    if run is None:
        run = client.create_run(experiment, tags={_SCHEDULE: name}, run_name=f"{name} schedule")
        client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def _tags(training: Training, parent: str | None) -> list[RunTag]:
    version = f", version {training.version}" if training.version else ""
    tags = {
        "mlflow.runName": f"{training.card.name} run {training.run}{version}",
        "auricle.run": str(training.run),
        "auricle.outcome": training.outcome,
        "auricle.verdict": training.verdict.outcome,
        _DATA: training.data.digest,
        **({_PARENT: parent} if parent else {}),
    }
    return list(itertools.starmap(RunTag, tags.items()))


def _data_set(training: Training) -> DatasetInput:
    data = training.data
    described = Dataset(
        name=training.card.name,
        digest=data.digest[:_LONGEST_DIGEST],
        source_type="local",
        source=json.dumps({"uri": data.source}),
        profile=json.dumps({f"{split} clips": clips for split, clips in data.clips.items()}),
    )
    return DatasetInput(described, [InputTag("mlflow.data.context", "training")])


def _store_files(client: MlflowClient, run_id: str, training: Training) -> None:
    """The report and the pictures; those of an earlier judgement are replaced."""
    files: Mapping[str, bytes] = training.pictures
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in files.items():
            (Path(scratch) / name).write_bytes(content)
        if files:
            client.log_artifacts(run_id, scratch, _PICTURES)
    if training.report is not None:
        with training.report.local_copy() as report:
            client.log_artifact(run_id, str(report))
