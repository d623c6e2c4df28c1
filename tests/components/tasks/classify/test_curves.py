import numpy as np
import pytest
import scored

from components.tasks.classify.curves import detection_errors, reliability


def table(labels, scores):
    model = scored.Answered(np.array(["no", "yes"]), np.array(scores, np.float32).reshape(-1, 2))
    ids = np.array([str(n) for n in range(len(labels))], np.str_)
    return scored.table(ids, labels, candidate=model)


def test_scores_that_say_what_they_are():
    rng = np.random.default_rng(1)
    score = rng.uniform(0.5, 1, 50_000)
    right = rng.random(50_000) < score
    curve = reliability(table(np.where(right, "yes", "no"), np.stack([1 - score, score], axis=1)))
    np.testing.assert_allclose(curve.score, curve.accuracy, atol=0.03)
    assert curve.clips.sum() == 50_000


def test_errors_over_a_threshold_by_counting():
    scores = [[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.6, 0.4]]
    labels = ["no", "no", "yes", "yes"]
    curve = detection_errors(table(labels, scores))
    own, others = np.array([0.9, 0.3, 0.8, 0.4]), np.array([0.1, 0.7, 0.2, 0.6])
    for threshold, missed, accepted in zip(
        curve.threshold, curve.false_rejects, curve.false_accepts, strict=True
    ):
        at = np.float32(threshold)
        assert missed == pytest.approx(np.mean(own.astype(np.float32) < at), abs=0.26)
        assert accepted == pytest.approx(np.mean(others.astype(np.float32) >= at), abs=0.26)
    assert np.all(np.diff(curve.false_rejects) >= 0)
    assert np.all(np.diff(curve.false_accepts) <= 0)
    assert curve.equal_error_rate == pytest.approx(0.5, abs=0.01)


def test_perfect_scores_have_no_errors_and_no_clips_no_curve():
    curve = detection_errors(table(["no", "yes"], [[1, 0], [0, 1]]))
    assert curve.equal_error_rate == 0.0
    assert len(detection_errors(table([], [])).threshold) == 0
    assert len(reliability(table([], [])).clips) == 0
