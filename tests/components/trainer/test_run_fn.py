"""A whole training as TFX's Trainer calls it: where its weights start, and what is said of it."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_training import Files, card, train

from components.trainer.run_fn import _training_key
from components.trainer.warm_start import read_champion
from schemas.errors import AuricleError
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.reports.training import HISTORY_FILE

LABELS = ("high", "low", "mid")


@pytest.fixture(scope="module")
def files(write_tones: Callable[..., list[str]]) -> Files:
    return {"train": write_tones(48, 2, seed=1), "eval": write_tones(24, 1, seed=2)}


def accuracies(file: Path) -> list[float]:
    return [epoch["val_value"] for epoch in json.loads(file.read_text())]


@pytest.fixture(scope="module")
def champion(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on these clips until it knows them."""
    folder = tmp_path_factory.mktemp("champion")
    model = train(folder, files, epochs=12)
    assert accuracies(folder / "run" / HISTORY_FILE)[-1] > 0.9
    return model


@pytest.fixture(scope="module")
def beginner(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for an epoch."""
    return train(tmp_path_factory.mktemp("beginner"), files, epochs=1)


@pytest.fixture
def spoilt(beginner: Path, tmp_path: Path) -> Path:
    """A copy of it, to be given other weights."""
    shutil.copytree(beginner, tmp_path / "spoilt")
    return tmp_path / "spoilt"


def test_from_scratch_unless_said_otherwise(beginner: Path) -> None:
    start = card(beginner).start
    assert start is not None
    assert (start.weights, start.message, start.champion) == ("scratch", "from scratch", None)


def test_training_goes_on_from_the_champion(files: Files, champion: Path, tmp_path: Path) -> None:
    # A rate that moves nothing: what was carried is what is exported.
    model = train(tmp_path, files, champion, epochs=1, start="champion", learning_rate=1e-30)
    start = card(model).start
    assert start is not None
    digest = read_champion(str(champion)).digest
    assert (start.weights, start.champion) == ("champion", digest)
    assert digest[:12] in start.message
    clips = tf.constant(np.random.default_rng(0).normal(0, 0.2, (5, 2400)).astype(np.float32))
    ours, theirs = (
        tf.saved_model.load(str(each)).signatures["serving_default"](waveform=clips)["scores"]
        for each in (model, champion)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_classes_that_came_and_went_are_named(
    write_tones: Callable[..., list[str]], champion: Path, tmp_path: Path
) -> None:
    two = ("high", "low")
    files = {"train": write_tones(16, 1, labels=two), "eval": write_tones(8, 1, labels=two)}
    smaller = train(tmp_path / "smaller", files, champion, epochs=1, start="champion")
    start = card(smaller).start
    assert start is not None
    assert start.weights == "champion"
    assert start.message.endswith("; gone: mid)")
    three = {"train": write_tones(16, 1), "eval": write_tones(8, 1)}
    larger = train(tmp_path / "larger", three, smaller, epochs=1, start="champion")
    start = card(larger).start
    assert start is not None
    assert start.message.endswith("; new: mid)")


def test_another_architecture_starts_from_scratch_and_says_so(
    files: Files, champion: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        model = train(tmp_path, files, champion, architecture="lstm", epochs=1, start="both")
    found = card(model).start
    assert found is not None
    assert (found.weights, found.trial) == ("scratch", None)
    assert "model.architecture was 'rnn' and is 'lstm'" in found.message
    assert any("model.architecture was 'rnn'" in message for message in caplog.messages)


def test_both_keeps_a_champion_that_knows_the_clips(
    files: Files, champion: Path, beginner: Path, tmp_path: Path
) -> None:
    model = train(tmp_path / "both", files, champion, epochs=1, start="both")
    start = card(model).start
    assert start is not None
    assert start.trial is not None
    assert start.weights == "champion"
    assert start.trial.champion > start.trial.scratch
    run = tmp_path / "both" / "run"
    assert (run / HISTORY_FILE).read_bytes() == (run / "champion" / HISTORY_FILE).read_bytes()
    assert accuracies(run / "scratch" / HISTORY_FILE) != accuracies(run / HISTORY_FILE)
    # The one from scratch is what a training from scratch would have been.
    alone = accuracies(beginner.parent / "run" / HISTORY_FILE)
    assert accuracies(run / "scratch" / HISTORY_FILE) == alone


def test_both_drops_a_champion_of_random_weights(
    files: Files, spoilt: Path, tmp_path: Path
) -> None:
    _spoil(spoilt)
    model = train(tmp_path / "both", files, spoilt, epochs=8, start="both")
    start = card(model).start
    assert start is not None
    assert start.trial is not None
    assert (start.weights, start.champion) == ("scratch", None)
    assert start.trial.difference < 0
    run = tmp_path / "both" / "run"
    assert (run / HISTORY_FILE).read_bytes() == (run / "scratch" / HISTORY_FILE).read_bytes()
    best = max(accuracies(run / HISTORY_FILE))
    assert start.trial.scratch <= best + 1e-6  # Keras counts in float32


def test_of_both_only_the_unfinished_is_trained_again(
    files: Files, spoilt: Path, tmp_path: Path
) -> None:
    _spoil(spoilt, scale=np.inf)
    histories = []
    for _ in range(2):
        with pytest.raises(AuricleError, match="no longer finite"):  # that from the champion
            train(tmp_path / "both", files, spoilt, start="both")
        [checkpoint] = (tmp_path / "both" / "checkpoints").rglob("*.npz")
        assert checkpoint.parent.name == "scratch"
        histories.append((tmp_path / "both" / "run" / "scratch" / HISTORY_FILE).read_text())
    assert histories[0] == histories[1]  # the very same epochs, down to their seconds


def _spoil(model: Path, scale: float = 30.0) -> None:
    """Overwrites the weights of a SavedModel by random ones that saturate every unit."""
    loaded = tf.saved_model.load(str(model))
    rng = np.random.default_rng(0)
    for variable in loaded._model_variables:
        if variable.dtype.is_floating:
            variable.assign(scale * rng.normal(0, 1, variable.shape))
    about = (model / MODEL_CARD_FILE).read_bytes()
    tf.saved_model.save(loaded, str(model), {"serving_default": loaded.serving_default})
    (model / MODEL_CARD_FILE).parent.mkdir(exist_ok=True)
    (model / MODEL_CARD_FILE).write_bytes(about)


def test_a_training_that_starts_elsewhere_is_another_training() -> None:
    """An unfinished one must not be gone on with from other weights."""
    keys = {_training_key({"uris": ["f"]}, base) for base in (None, "model/1", "model/2")}
    assert len(keys) == 3
