from dataclasses import replace

import numpy as np
import pytest
import scored

from components.evaluation.intervals import Paired
from components.evaluation.scores import read_scores, write_scores


def table(baseline=True):
    ours = scored.Answered(
        np.array(["no", "yes"]),
        np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, 0.5], [0.6, 0.4]], np.float32),
    )
    theirs = scored.Answered(
        np.array(["yes", "up", "no"]),
        np.array([[0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.9, 0, 0.1], [0.1, 0.8, 0.1]], np.float32),
    )
    return scored.table(
        ids=np.array(["a", "b", "c", "d"]),
        labels=np.array(["no", "yes", "yes", "up"]),
        features={"speaker": np.array(["ann", "", "zoë", "ann"])},
        unsliced={"text": 1000},
        candidate=ours,
        baseline=theirs if baseline else None,
    )


@pytest.mark.parametrize("baseline", [True, False])
def test_a_table_written_is_the_table_read(tmp_path, baseline):
    scores = table(baseline)
    write_scores(scores, tmp_path / "new" / "test.npz")
    read = read_scores(tmp_path / "new" / "test.npz")
    assert read.unsliced == scores.unsliced
    np.testing.assert_equal(read.features, scores.features)
    for name in ("ids", "targets", "units", "speakers"):
        np.testing.assert_equal(getattr(read, name), getattr(scores, name))
    for name, value in vars(scores.candidate).items():
        np.testing.assert_equal(getattr(read.candidate, name), value)
    assert (read.baseline is None) == (not baseline)
    assert read.ids.tolist() == scores.ids.tolist()


def test_no_number_and_no_such_class_are_never_right():
    scores = table()
    assert scores.candidate.is_right.tolist() == [True, True, False, False]
    np.testing.assert_allclose(scores.candidate.merit, [0.9, 0.8, 0.5, 0.0], rtol=1e-6)
    np.testing.assert_allclose(scores.baseline.merit, [0.8, 0.1, 0.9, 0.8], rtol=1e-6)


def paired(scores, chosen):
    pairs = scores.pairs(chosen)
    return Paired.of(pairs.errors == 0, pairs.others == 0)


def test_models_are_compared_on_the_labels_both_know():
    scores = table()
    assert paired(scores, np.ones(4, bool)) == Paired(1, 1, 1, 0)
    assert paired(scores, scores.features["speaker"] == "ann") == Paired(both=1)
    assert table(baseline=False).is_shared.tolist() == [False] * 4


def test_a_table_without_clips():
    model = scored.Answered(np.array(["no", "yes"]), np.empty((0, 2), np.float32))
    scores = scored.table([], [], candidate=model)
    assert scores.candidate.answers.tolist() == scores.candidate.merit.tolist() == []


def test_clips_that_must_pass_are_not_counted():
    scores = table()
    assert scores.counted is scores
    assert not scores.is_must_pass.any()
    hard = replace(
        scores,
        features={
            **scores.features,
            "must_pass": np.array(["", "true", "", "true"]),
            "origin": np.array(["", "field", "", "field"]),
        },
    )
    assert hard.is_must_pass.tolist() == [False, True, False, True]
    counted = hard.counted
    assert counted.ids.tolist() == ["a", "c"]
    assert counted.targets.tolist() == ["no", "yes"]
    assert {name: v.tolist() for name, v in counted.features.items()} == {
        "label": ["no", "yes"],
        "speaker": ["ann", "zoë"],
    }
    np.testing.assert_equal(counted.candidate.merit, scores.candidate.merit[[0, 2]])
    assert counted.baseline is not None
    np.testing.assert_equal(
        counted.baseline.outputs["scores"], scores.baseline.outputs["scores"][[0, 2]]
    )
