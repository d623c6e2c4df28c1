"""Each clip is answered by the model that has not heard it."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.evaluation.fold_models import FoldModels, group_digest, write_fold_models
from components.evaluator.asked_model import AskedModel


class _Constant(tf.Module):
    """Answers every example with its variable."""

    def __init__(self) -> None:
        super().__init__()
        self._model_variables = [
            tf.Variable(7, dtype=tf.int64),  # a state of a generator is not of a fold
            tf.Variable([0.5, 0.25]),
        ]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        scores = tf.repeat(self._model_variables[1][None], tf.shape(examples)[0], 0)
        return {"scores": scores, "sizes": tf.strings.length(examples)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    module = _Constant()
    tf.saved_model.save(module, str(folder / "Format-Serving"), {"serving_examples": module.serve})
    weights = {
        "fold_1": [np.array([1.0, 0.0], np.float32)],
        "fold_2": [np.array([2.0, 0.0], np.float32)],
    }
    fold_of = {group_digest("ann"): "fold_2", group_digest("bob"): "fold_1"}
    write_fold_models(FoldModels(weights, fold_of), folder)
    return folder


def example(speaker: str, **metadata: object) -> dict[str, str]:
    return {"split_key": speaker, "metadata": json.dumps(metadata)}


def test_each_clip_is_answered_by_the_model_of_its_fold(folder: Path) -> None:
    model = AskedModel(folder / "Format-Serving", ("scores", "sizes"))
    examples = [
        example("bob"),
        example("ann"),
        example("a stranger"),
        example("ann", must_pass=True),
        example("bob"),
    ]
    folds = model.unheard(examples)
    assert folds.tolist() == ["fold_1", "fold_2", "", "", "fold_1"]
    records = [b"1", b"22", b"333", b"4444", b"55555"]
    for _ in range(2):  # the model that ships is there again
        outputs = model.answer(records, folds)
        assert outputs["scores"][:, 0].tolist() == [1.0, 2.0, 0.5, 0.5, 1.0]
        assert outputs["sizes"].tolist() == [1, 2, 3, 4, 5]
    nothing = model.answer([], model.unheard([]))
    assert nothing["scores"].shape == (0, 2)


def test_a_model_without_folds_answers_for_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "Format-Serving").symlink_to(folder / "Format-Serving")
    model = AskedModel(tmp_path / "Format-Serving", ("scores",))
    folds = model.unheard([example("bob")])
    assert folds.tolist() == [""]
    assert model.answer([b"1"], folds)["scores"].tolist() == [[0.5, 0.25]]
