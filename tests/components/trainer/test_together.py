"""Training on several devices, of one machine or of two: what comes out is what one would make."""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_training import Files, card, train
from training_worker import WarmProcess

from components.models import build_model
from components.tasks import feeding
from components.trainer.dataset import Learned, make_eval_dataset, make_train_dataset
from components.trainer.devices import Devices
from components.trainer.fit import fit
from components.trainer.shares import Share
from components.trainer.together import END, Rows
from schemas.reports.training import HISTORY_FILE
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

LABELS = ["high", "low", "mid"]
CLIPS, BATCH = 49, 16  # the last batch has one clip: a device has none of it
SMALL = {"epochs": 3, "batch_size": BATCH, "architecture": "cnn"}
EPOCH_THAT_DIES = 3


@pytest.fixture(scope="module")
def files(write_tones: Callable[..., list[str]]) -> Files:
    return {"train": write_tones(CLIPS, 5, seed=1), "eval": write_tones(21, 1, seed=2)}


@pytest.fixture(scope="module")
def varied(write_tones: Callable[..., list[str]]) -> Files:
    lengths = [900, 2400, 1500, 3000, 700]
    return {
        "train": write_tones(CLIPS, 5, seed=1, lengths=lengths),
        "eval": write_tones(21, 1, seed=2, lengths=lengths),
    }


def fit_small(
    folder: Path,
    files: Files,
    devices: Devices,
    *,
    lengths: bool,
    streamed: bool,
    architecture: str = "cnn_lstm",
) -> None:
    """Two epochs of a model with all that differs between devices: means, drops, changes."""
    learned = Learned("classify", LABELS, CLIPS)
    samples = None if lengths else 2400
    cache_bytes = 0 if streamed else 1 << 30
    share = Share(devices.worker, devices.workers) if devices.replicas > 1 else None
    with devices.strategy.scope():
        model = build_model(
            num_outputs=len(LABELS),
            sample_rate=8000,
            clip_samples=2400,
            frontend=Frontend(frame_length_ms=20.0, frame_step_ms=20.0, num_mel_bins=8),
            augment=Augment(),
            model=Model(architecture=architecture, units=8, layers=2, filters=4, dropout=0.3),
            seed=1,
            variable_length=lengths,
        )
    fit(
        model,
        lambda epoch: make_train_dataset(
            files["train"], learned, samples, BATCH, 1, epoch, cache_bytes, share
        ),
        make_eval_dataset(files["eval"], learned, samples, BATCH, cache_bytes, share),
        feeding.model("classify"),
        epochs=2,
        steps_per_epoch=-(-CLIPS // BATCH),
        learning_rate=0.01,
        patience=9,
        checkpoint_dir=folder / "checkpoint",
        log_dir=folder / f"log-{devices.worker}" if devices.worker else folder / "log",
        devices=devices,
        batch_size=BATCH,
    )
    np.savez(folder / f"weights-{devices.worker}.npz", *[np.array(w) for w in model.weights])


def curve(file: Path) -> list[list[float]]:
    return [
        [epoch[key] for key in ("loss", "value", "val_loss", "val_value", "learning_rate")]
        for epoch in json.loads(file.read_text())
    ]


def weights(model: Path) -> list[np.ndarray]:
    return [each.numpy() for each in tf.saved_model.load(str(model))._model_variables]


def assert_same_model(ours: Path, theirs: Path, atol: float) -> None:
    """The curves, and what is exported, are alike."""
    np.testing.assert_allclose(
        curve(ours / "run" / HISTORY_FILE), curve(theirs / "run" / HISTORY_FILE), atol=atol
    )
    for mine, other in zip(weights(ours / "model"), weights(theirs / "model"), strict=True):
        np.testing.assert_allclose(mine, other, atol=atol)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    process = WarmProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def folder(warm: WarmProcess, files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two machines trained together; in the end one of them was killed."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "streamed").mkdir()
    refused = {"call": "refuse", "folder": str(folder / "refused"), "files": files} | SMALL
    orders = [
        refused | {"devices": "workers", "batch_size": 1},
        refused | {"devices": "cpu"},
        refused | {"devices": "workers", "learning_rate": [0.1, 0.2]},
        {"call": "train", "folder": str(folder / "together"), "files": files}
        | SMALL
        | {"devices": "workers"},
        {"call": "stream", "folder": str(folder / "streamed"), "files": files},
        {"call": "die_in_epoch", "number": EPOCH_THAT_DIES, "worker": 1},
        {"call": "train", "folder": str(folder / "killed"), "files": files}
        | SMALL
        | {"devices": "workers"},
    ]
    chief, worker = warm.run_cluster(orders)
    (folder / "said").write_text(chief.said)
    (folder / "said by the other").write_text(worker.said)
    assert worker.code == -signal.SIGKILL, worker.said
    assert chief.code == 1, chief.said
    return folder


def test_machines_that_cannot_train_together_say_so(folder: Path) -> None:
    for name in ("said", "said by the other"):
        said = (folder / name).read_text().splitlines()
        batch, cpu, other = (line for line in said if line.startswith("refused: "))
        assert "train.batch_size: got 1 clips for 2 devices" in batch
        assert "train.devices: got cpu" in cpu
        assert "other settings" in other
    assert not [each for each in (folder / "refused").rglob("*") if each.is_file()]


def test_two_machines_learn_what_one_device_learns(
    folder: Path, files: Files, tmp_path: Path
) -> None:
    train(tmp_path, files, **SMALL)
    assert_same_model(folder / "together", tmp_path, atol=2e-4)


def test_two_machines_write_one_model(folder: Path) -> None:
    assert card(folder / "together" / "model").train.devices == "workers"
    [curves] = (folder / "together" / "run" / "train").iterdir()
    losses = [
        value
        for event in tf.compat.v1.train.summary_iterator(str(curves))
        for value in event.summary.value
        if value.tag == "epoch_loss"
    ]
    assert len(losses) == SMALL["epochs"]


def test_two_machines_agree_when_each_streams_files_of_its_own(
    folder: Path,
) -> None:
    with (
        np.load(folder / "streamed" / "weights-0.npz") as ours,
        np.load(folder / "streamed" / "weights-1.npz") as theirs,
    ):
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert not (folder / "streamed" / "log-1").exists()


def test_two_machines_go_on_after_one_was_killed(
    warm: WarmProcess, folder: Path, files: Files
) -> None:
    assert "AuricleError: another machine of this training is gone" in (folder / "said").read_text()
    done = curve(folder / "killed" / "run" / HISTORY_FILE)
    assert len(done) == EPOCH_THAT_DIES - 1
    order = {"call": "train", "folder": str(folder / "killed"), "files": files} | SMALL
    again = warm.run_cluster([order | {"devices": "workers"}])
    assert [process.code for process in again] == [0, 0], again
    assert_same_model(folder / "killed", folder / "together", atol=0.0)


@pytest.fixture(scope="module")
def mirrored(
    warm: WarmProcess, files: Files, varied: Files, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """What two devices of one machine made."""
    folder = tmp_path_factory.mktemp("mirrored")
    orders: list[dict] = [{"call": "two_devices"}]
    for name, each in KINDS.items():
        (folder / name).mkdir()
        found = varied if each["lengths"] else files
        orders.append({"call": "mirror", "folder": str(folder / name), "files": found} | each)
    [done] = warm.run(orders, [{}])
    assert done.code == 0, done.said
    return {name: folder / name for name in KINDS}


KINDS = {
    "streamed": {"lengths": False, "streamed": True},
    "many lengths": {"lengths": True, "streamed": False},
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_devices_learn_what_one_learns(
    kind: str, mirrored: dict[str, Path], files: Files, varied: Files, tmp_path: Path
) -> None:
    fit_small(tmp_path, varied if KINDS[kind]["lengths"] else files, Devices(), **KINDS[kind])
    ours, theirs = (each / "log" / HISTORY_FILE for each in (mirrored[kind], tmp_path))
    np.testing.assert_allclose(curve(ours), curve(theirs), atol=2e-4)
    with (
        np.load(mirrored[kind] / "weights-0.npz") as mine,
        np.load(tmp_path / "weights-0.npz") as other,
    ):
        for name in other:
            np.testing.assert_allclose(mine[name], other[name], atol=2e-4)


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("cache_bytes", [1 << 30, 0], ids=["cached", "streamed"])
def test_one_worker_has_each_clip_once_an_epoch(
    files: Files, workers: int, cache_bytes: int
) -> None:
    batch_size = 3 * workers
    seen: Counter[int] = Counter()
    places = Counter[tuple[int, int]]()
    for worker in range(workers):
        dataset = make_train_dataset(
            files["train"],
            Learned("classify", LABELS, CLIPS),
            2400,
            batch_size,
            seed=1,
            start_epoch=2,
            cache_bytes=cache_bytes,
            share=Share(worker, workers),
        )
        for number, batch in enumerate(dataset):
            rows = Rows(*batch)
            if int(rows.first) == END:
                break
            clips = np.round(rows.inputs.numpy()[:, 0] * 32768).astype(int).tolist()
            np.testing.assert_array_equal(rows.target, [clip % 3 for clip in clips])
            seen.update(clips)
            places.update((number, int(rows.first) + row) for row in range(len(clips)))
            assert int(rows.first) + len(clips) <= int(rows.total) <= batch_size
    assert seen == Counter(range(CLIPS))
    assert set(places.values()) == {1}  # no two of a batch in one place
