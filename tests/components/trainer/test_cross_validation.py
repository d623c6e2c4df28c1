"""Each fold's model is trained without that fold, however often the training is killed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from small_training import card, train

from components.evaluation.fold_models import FoldModels, group_digest, read_fold_models
from components.trainer.training import Training
from schemas.errors import AuricleError

FOLDS = ("fold_1", "fold_2")


@pytest.fixture(scope="module")
def files(
    write_tones: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """Tones of eight speakers, four in each fold, as ingest writes them."""
    root, found = tmp_path_factory.mktemp("examples"), []
    for number, name in enumerate(FOLDS):
        [written] = write_tones(24 - 6 * number, 1, seed=number)
        (root / f"Split-{name}").mkdir()
        file = root / f"Split-{name}" / "data_tfrecord-00000-of-00001"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for place, record in enumerate(tf.data.TFRecordDataset(written).as_numpy_iterator()):
                example = tf.train.Example.FromString(record)
                key = f"{name} speaker {place % 4}".encode()
                example.features.feature["split_key"].bytes_list.value.append(key)
                writer.write(example.SerializeToString())
        found.append(str(file))
    return {"train": found, "eval": found}


def fold_models(model: Path) -> FoldModels:
    models = read_fold_models(model.parent)
    assert models is not None
    return models


@pytest.fixture(scope="module")
def trained(
    files: dict[str, list[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[list[str], int]]]:
    """The exported model, and of each training its files and how many clips it says they have."""
    trainings: list[tuple[list[str], int]] = []
    fit = Training.fit

    def recorded(self: Training, *arguments: object) -> None:
        trainings.append((self.train_files, self.learned.clips))
        fit(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "fit", recorded)
        model = train(tmp_path_factory.mktemp("folds"), files, epochs=1)
    return model, trainings


def test_a_folds_model_is_trained_without_it(
    files: dict[str, list[str]], trained: tuple[Path, list[tuple[list[str], int]]]
) -> None:
    model, trainings = trained
    one, two = files["train"]
    assert trainings == [([two], 18), ([one], 24), ([one, two], 42)]
    assert card(model).folds == 2
    assert card(model).data.clips == 42
    histories = [model.parent / "run" / name / "history.json" for name in ("", *FOLDS)]
    assert all(file.is_file() for file in histories)


def test_who_is_in_which_fold_is_known_and_not_named(
    trained: tuple[Path, list[tuple[list[str], int]]],
) -> None:
    models = fold_models(trained[0])
    assert list(models.weights) == list(FOLDS)
    assert len(models.fold_of) == 8
    for name in FOLDS:
        example = {"split_key": f"{name} speaker 3"}
        assert models.unheard(example, {}) == name
        assert models.unheard(example, {"must_pass": True}) == ""
    assert models.unheard({"split_key": "a stranger"}, {}) == ""
    assert b"speaker" not in (trained[0].parent / "folds.npz").read_bytes()
    assert group_digest("fold_1 speaker 0") in models.fold_of


def test_the_weights_are_those_of_the_variables_of_the_model_that_ships(
    trained: tuple[Path, list[tuple[list[str], int]]],
) -> None:
    model, _ = trained
    loaded = tf.saved_model.load(str(model))
    shipped = [v.numpy() for v in loaded._model_variables if v.dtype.is_floating]
    for weights in fold_models(model).weights.values():
        assert [each.shape for each in weights] == [each.shape for each in shipped]
        assert any(not np.array_equal(a, b) for a, b in zip(weights, shipped, strict=True))


def test_a_training_that_was_killed_in_a_fold_goes_on_there(
    files: dict[str, list[str]],
    trained: tuple[Path, list[tuple[list[str], int]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit, begun = Training.fit, []

    def killed(self: Training, *arguments: object) -> None:
        begun.append(self)
        if len(begun) == 2:
            raise AuricleError("killed")
        fit(self, *arguments)

    monkeypatch.setattr(Training, "fit", killed)
    with pytest.raises(AuricleError, match="killed"):
        train(tmp_path, files, epochs=1)
    shutil.rmtree(tmp_path / "run")
    model = train(tmp_path, files, epochs=1)
    expected = fold_models(trained[0]).weights
    for name, weights in fold_models(model).weights.items():
        for ours, theirs in zip(weights, expected[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)
