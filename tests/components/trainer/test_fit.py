"""Training: it learns, stops, keeps the best, says how far it is, and survives SIGKILL."""

import functools
import io
import json
import logging
import signal
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.models import build_model
from components.storage.location import location_of
from components.tasks import feeding
from components.trainer.checkpoint import Checkpoint
from components.trainer.dataset import Learned, make_eval_dataset, make_train_dataset
from components.trainer.devices import precision_of
from components.trainer.fit import fit
from schemas.errors import AuricleError
from schemas.progress import LOGGER_NAME
from schemas.reports.training import HISTORY_FILE, Epoch
from schemas.workflow.augment import Augment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model

LABELS, CLIP_SAMPLES, BATCH, STEPS_PER_EPOCH = ["high", "low", "mid"], 2400, 16, 3
LEARNED = Learned("classify", LABELS, 48)


@pytest.fixture(scope="module")
def files(write_tones):
    return {"train": write_tones(48, 2, seed=1), "eval": write_tones(24, 1, seed=2)}


def _model():
    return build_model(
        num_outputs=len(LABELS),
        sample_rate=8000,
        clip_samples=CLIP_SAMPLES,
        frontend=Frontend.model_validate(
            {
                "kind": "log_mel",
                "frame_length_ms": 20.0,
                "frame_step_ms": 20.0,
                "num_mel_bins": 8,
                "lower_edge_hertz": 60.0,
                "upper_edge_hertz": None,
            }
        ),
        augment=Augment.model_validate(
            {
                "time_shift_ms": 10.0,
                "speed": 0.0,
                "frequency_warp": 0.1,
                "equalizer_db": 6.0,
                "gain_db": 3.0,
                "spec_augment": {
                    "time_masks": 1,
                    "time_mask_ms": 20.0,
                    "freq_masks": 0,
                    "freq_mask_bins": 0,
                },
            }
        ),
        model=Model.model_validate(
            {
                "units": 8,
                "layers": 1,
                "filters": 4,
                "pooling": "max",
                "peephole": False,
                "dropout": 0.1,
                "architecture": "rnn",
            }
        ),
        seed=1,
    )


def _fit(model, files, directory, **changes):
    make_train = functools.partial(
        make_train_dataset, files["train"], LEARNED, CLIP_SAMPLES, BATCH, 1
    )
    eval_dataset = make_eval_dataset(files["eval"], LEARNED, CLIP_SAMPLES, BATCH)
    settings = {
        "epochs": 4,
        "steps_per_epoch": STEPS_PER_EPOCH,
        "learning_rate": 0.02,
        "patience": 10,
        "checkpoint_dir": directory / "checkpoint",
        "log_dir": directory / "log",
        **changes,
    }
    return fit(model, make_train, eval_dataset, feeding.model("classify"), **settings)


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """A training that nobody interrupted."""
    directory = tmp_path_factory.mktemp("trained")
    model = _model()
    return model, _fit(model, files, directory), directory


def _assert_same_weights(model, other):
    for weight, other_weight in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(weight, other_weight, atol=1e-6)


def test_the_loss_falls_epoch_by_epoch(trained):
    _, history, _ = trained
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4]
    assert history[-1].val_loss < history[0].val_loss
    assert history[0].learning_rate > history[-1].learning_rate > 0


def test_a_step_is_traced_once(files, tmp_path, monkeypatch):
    model, traced = _model(), []
    compute_loss = model.compute_loss

    def trace(*args, training, **kwargs):
        traced.append(training)
        return compute_loss(*args, training=training, **kwargs)

    monkeypatch.setattr(model, "compute_loss", trace)
    _fit(model, files, tmp_path, epochs=2)
    assert traced == [True, False]


def test_the_best_weights_are_kept(trained, files):
    model, history, _ = trained
    loss, accuracy = model.evaluate(
        make_eval_dataset(files["eval"], LEARNED, CLIP_SAMPLES, BATCH), verbose=0
    )
    best = min(history, key=lambda epoch: epoch.val_loss)
    assert (loss, accuracy) == pytest.approx((best.val_loss, best.val_value), abs=1e-5)


def test_curves_for_people_and_for_tensorboard(trained):
    _, history, directory = trained
    written = json.loads((directory / "log" / HISTORY_FILE).read_text())
    assert [Epoch.model_validate(epoch) for epoch in written] == history
    losses = {}
    for split in ("train", "validation"):
        (path,) = (directory / "log" / split).iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                number = float(tf.make_ndarray(value.tensor))
                losses.setdefault((split, value.tag), {})[event.step] = number
    assert losses["train", "epoch_loss"] == pytest.approx({e.epoch: e.loss for e in history})
    assert losses["validation", "epoch_accuracy"] == pytest.approx(
        {e.epoch: e.val_value for e in history}
    )


def test_a_training_that_was_done_is_not_done_again(trained, files):
    model, history, directory = trained
    again = _model()
    assert _fit(again, files, directory) == history
    _assert_same_weights(again, model)


KILLED = """
    import os, pathlib, signal, sys
    sys.path[:0] = [{root!r}]
    import tensorflow as tf
    import importlib.util
    spec = importlib.util.spec_from_file_location("test_fit", {path!r})
    test_fit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test_fit)

    class Die(test_fit.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations >= 8:  # in the middle of epoch 3
                os.kill(os.getpid(), signal.SIGKILL)

    model = test_fit._model()
    train = model.fit
    model.fit = lambda *a, callbacks, **k: train(*a, callbacks=[*callbacks, Die()], **k)
    test_fit._fit(model, {files!r}, pathlib.Path({directory!r}))
"""


def test_killed_and_continued_ends_with_the_weights_of_an_uninterrupted_run(
    trained, files, tmp_path, request, caplog
):
    root = str(request.config.rootpath)
    script = KILLED.format(root=root, path=__file__, files=files, directory=str(tmp_path))
    killed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    written = json.loads((tmp_path / "log" / HISTORY_FILE).read_text())
    assert [epoch["epoch"] for epoch in written] == [1, 2]
    model, history, _ = trained
    continued = _model()
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        ours = _fit(continued, files, tmp_path)
    [said] = [json.loads(each.message) for each in caplog.records if '"text"' in each.message]
    assert said == {"text": f"going on from epoch 3 of {len(history)}"}
    for epoch, uninterrupted in zip(ours, history, strict=True):
        assert epoch.loss == pytest.approx(uninterrupted.loss, abs=1e-5)
        assert epoch.val_loss == pytest.approx(uninterrupted.val_loss, abs=1e-5)
    _assert_same_weights(continued, model)


def _cut(content):
    return content[: len(content) // 2]


def _flipped(content):
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]


def _other(**changes):
    """A sound file with other arrays."""

    def change(content):
        with np.load(io.BytesIO(content)) as stored:
            arrays = {**dict(stored), **changes}
        changed = io.BytesIO()
        np.savez(changed, **{name: each for name, each in arrays.items() if each is not None})
        return changed.getvalue()

    return change


DAMAGES = {
    "cut": _cut,
    "flipped": _flipped,
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"not a checkpoint",
    "one array": lambda content: content[30:],
    "other shapes": _other(variable_0=np.zeros((3, 5, 7), np.float32)),
    "no best": _other(best_0=None),
    "no history": _other(history=None),
    "another history": _other(history=np.array("[1]")),
    "objects": _other(history=np.array([{}], object)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_said_and_set_aside(damage, trained, tmp_path):
    [checkpoint] = trained[2].rglob("training.npz")
    copy = tmp_path / "training.npz"
    copy.write_bytes(DAMAGES[damage](checkpoint.read_bytes()))
    fresh = _model()
    fresh.compile(optimizer="adam", loss="mse")
    fresh.optimizer.build(fresh.trainable_variables)
    before = [np.array(each) for each in fresh.variables]
    state = Checkpoint(fresh, location_of(copy))
    assert str(copy) in state.restore()
    assert state.history == []
    assert all(np.array_equal(a, b) for a, b in zip(before, fresh.variables, strict=True))
    assert [file.name for file in tmp_path.iterdir()] == ["damaged-training.npz"]
    assert state.restore() == ""


def test_training_begins_anew_where_its_checkpoint_is_damaged(trained, files, tmp_path, caplog):
    model, history, directory = trained
    [checkpoint] = directory.rglob("training.npz")
    damaged = tmp_path / checkpoint.relative_to(directory)
    damaged.parent.mkdir(parents=True, exist_ok=True)
    damaged.write_bytes(_cut(checkpoint.read_bytes()))
    again = _model()
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        ours = _fit(again, files, tmp_path)
    assert [epoch.epoch for epoch in ours] == [epoch.epoch for epoch in history]
    _assert_same_weights(again, model)
    [said] = [json.loads(each.message) for each in caplog.records if '"text"' in each.message]
    assert "damaged" in said["text"]
    assert damaged.with_name("damaged-training.npz").exists()


def test_training_stops_when_the_eval_loss_no_longer_falls(files, tmp_path):
    model = _model()
    # Weights that cannot move: after the first epoch nothing gets better.
    history = _fit(model, files, tmp_path, epochs=9, patience=2, learning_rate=1e-30)
    assert len(history) == 3
    again = _model()
    assert _fit(again, files, tmp_path, epochs=9, patience=2, learning_rate=1e-30) == history


def test_a_loss_that_is_not_finite_stops_training(files, tmp_path):
    model = _model()
    kernel = model.get_layer("logits").kernel
    kernel.assign(kernel + np.inf)
    with pytest.raises(AuricleError, match="no longer finite in epoch 1; lower"):
        _fit(model, files, tmp_path, epochs=1)


def test_progress_says_steps_and_accuracy(files, tmp_path, caplog):
    with caplog.at_level(logging.INFO, LOGGER_NAME):
        _fit(_model(), files, tmp_path, epochs=1)
    last = json.loads(caplog.messages[-1])
    assert (last["done"], last["total"], last["unit"]) == (3, 3, "steps")
    assert "eval accuracy" in last["note"]


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([(7, 5)], "mixed_float16"),
        ([(9, 0), (8, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 0)], "mixed_float16"),
    ],
)
def test_precision_is_what_the_slowest_gpu_is_good_at(capabilities, policy):
    assert precision_of(capabilities) == policy
    assert keras.DTypePolicy(policy).variable_dtype == "float32"
