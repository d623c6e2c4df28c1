"""Runs of trainings in MLflow, as MLflow itself finds them; a champion answers through it."""

import dataclasses
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from mlflow.entities import Run
from pushed import make_card, make_verdict
from trainings import DATA, make_training

from components.registry import Registration
from components.registry.mlflow import MlflowRegistry
from components.registry.training import metric_name
from components.storage.location import location_of
from components.versions.manifest import digest_model, verify
from components.versions.serving import push_version
from schemas.reports.model_card import MODEL_CARD_FILE

# Of libraries beneath MLflow, and of MLflow's own types.
pytestmark = pytest.mark.filterwarnings(
    "ignore::Warning:sqlalchemy", "ignore::DeprecationWarning", "ignore:.*Any type hint:UserWarning"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def registry(folder: Path) -> MlflowRegistry:
    return MlflowRegistry.embedded("digits", folder)


@pytest.fixture(scope="module")
def client(registry: MlflowRegistry, folder: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{folder}/registry.sqlite")


def find(client: MlflowClient, tag: str, value: str) -> list[Run]:
    experiment = client.get_experiment_by_name("digits").experiment_id
    return client.search_runs([experiment], f"tags.`{tag}` = '{value}'")


def test_a_refused_training_has_a_run_with_all_that_was_found_out(
    registry: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    training = make_training(1, "a" * 64, report=location_of(report))
    for _ in range(2):  # again, as after a kill
        registry.record(training)
    [run] = find(client, "auricle.model_sha256", "a" * 64)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "digits run 1")
    assert run.info.end_time - run.info.start_time == 60_000
    tags = run.data.tags
    assert (tags["auricle.outcome"], tags["auricle.run"]) == ("refused", "1")
    assert run.data.params["train.epochs"] == "2"
    assert run.data.params["audio.sample_rate"] == "8000"
    metrics = run.data.metrics
    assert metrics["accuracy"] == 0.912
    assert metrics["recall/one"] == 0.9
    assert {name for name in metrics if name.startswith("slice/")} == {
        "slice/snr/20 to 30 dB",
        "slice/room/نعم_ __x_2__ _b____",
    }
    history = client.get_metric_history(run.info.run_id, "eval/accuracy")
    assert [(m.step, m.value) for m in history] == [(1, 0.2), (2, 0.4)]
    assert len(client.get_metric_history(run.info.run_id, "eval/loss")) == 1  # one is no number
    assert [m.step for m in client.get_metric_history(run.info.run_id, "accuracy")] == [1]
    [data] = run.inputs.dataset_inputs
    assert data.dataset.digest == DATA.digest[:36]
    assert DATA.source in data.dataset.source
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"report.html", "pictures"}
    [picture] = client.list_artifacts(run.info.run_id, "pictures")
    assert picture.path == "pictures/confusion.png"


def test_nobody_is_named(registry: MlflowRegistry, client: MlflowClient) -> None:
    registry.record(make_training(2, "b" * 64))
    [run] = find(client, "auricle.run", "2")
    assert "annegret" not in str(run.to_dictionary())


def test_the_schedule_has_one_run_above_its_own(
    registry: MlflowRegistry, client: MlflowClient
) -> None:
    for number, digest in ((3, "c" * 64), (4, "d" * 64)):
        registry.record(make_training(number, digest, is_scheduled=True))
    [parent] = find(client, "auricle.schedule", "digits")
    assert parent.info.status == "FINISHED"
    below = find(client, "mlflow.parentRunId", parent.info.run_id)
    assert {run.data.tags["auricle.run"] for run in below} == {"3", "4"}


def test_reports_of_one_data_set_can_be_deleted(
    registry: MlflowRegistry, client: MlflowClient, tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<audio>")
    for number, digest in ((5, "1" * 64), (6, "2" * 64)):
        data = dataclasses.replace(DATA, digest=digest)
        registry.record(make_training(number, digest, data=data, report=location_of(report)))
    assert registry.delete_reports({"1" * 64, "9" * 64}) == 1
    assert registry.delete_reports({"1" * 64}) == 0
    left = {
        number: [file.path for file in client.list_artifacts(run.info.run_id)]
        for number in ("5", "6")
        for run in find(client, "auricle.run", number)
    }
    assert left == {"5": ["pictures"], "6": ["pictures", "report.html"]}


class _Loudness(tf.Module):
    """Answers `loud` where the mean square is above 0.1."""

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="waveform")])
    def serve(self, waveform: tf.Tensor) -> dict[str, tf.Tensor]:
        loud = tf.reduce_mean(waveform**2, axis=1)
        answer = tf.gather(tf.constant(["quiet", "loud"]), tf.cast(loud > 0.1, tf.int32))
        return {"scores": tf.stack([1 - loud, loud], axis=1), "label": answer}


def test_a_champion_answers_waveforms_through_mlflow(
    registry: MlflowRegistry, client: MlflowClient, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is that of its training, which was told of before."""
    module = _Loudness()
    saved_model = folder / "saved_model"
    tf.saved_model.save(module, str(saved_model), signatures={"serving_default": module.serve})
    card = make_card()
    (saved_model / MODEL_CARD_FILE).parent.mkdir()
    (saved_model / MODEL_CARD_FILE).write_text(card.model_dump_json())
    registry.record(make_training(7, digest_model(saved_model)))
    version = push_version(saved_model, location_of(folder / "serving"), "digits", {})
    registration = Registration(
        version=1,
        folder=version.folder,
        manifest=verify(version.folder),
        card=card,
        verdict=make_verdict(),
        card_text="# digits\n",
    )
    entry = registry.register(registration)
    registry.point({"champion": entry})
    [run] = find(client, "auricle.run", "7")
    assert client.get_model_version("digits", entry).run_id == run.info.run_id
    registry.record(
        make_training(8, digest_model(saved_model), version=1, outcome="pushed", epochs=[])
    )
    [run] = find(client, "auricle.run", "8")
    assert run.info.run_name == "digits run 8, version 1"
    assert "auricle.push_id" in run.data.tags
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/registry.sqlite")
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = mlflow.pyfunc.load_model("models:/digits@champion")
    assert model.metadata.metadata["sample_rate"] == 8000
    assert [spec.shape for spec in model.metadata.signature.inputs] == [(-1, -1)]
    found = model.predict(np.float32([[0, 0, 0, 0], [1, 1, 1, 0]]))
    assert found["label"].tolist() == ["quiet", "loud"]
    assert found["score"].tolist() == [1.0, 0.75]
    lengths = np.empty(2, object)
    lengths[:] = [np.ones(9, np.float32), np.zeros(3, np.float32)]
    assert model.predict(lengths)["label"].tolist() == ["loud", "quiet"]


@pytest.mark.parametrize(
    ("text", "name"), [("a.b/c", "a_b_c"), ("", "_"), ("..", "__"), ("x" * 99, "x" * 60)]
)
def test_names_are_such_as_mlflow_takes(text: str, name: str) -> None:
    assert metric_name(text) == name
