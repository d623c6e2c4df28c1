"""Eval and test are said to differ only where chance does not explain it."""

from collections import Counter

import pytest
from scored import classifier_verdict

from components.report.eval_gap import eval_gap
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.metrics import Interval
from schemas.reports.training import Epoch
from schemas.reports.verdict import Verdict


def verdict(accuracy: float, interval: tuple[float, float], clips: int = 500) -> Verdict:
    return classifier_verdict(
        outcome="blessed",
        reasons=[],
        rules=[],
        confidence=0.95,
        clips=clips,
        accuracy=accuracy,
        accuracy_interval=Interval.of(interval),
        macro_f1=0.5,
        calibration_error=0.1,
        baseline=None,
        difference=None,
        difference_interval=None,
        unsliced={},
        classes={},
        slices=[],
        confusion=[],
        labels=[],
        generated=False,
    )


def ingest(clips: int = 500, speakers: int = 1) -> IngestReport:
    counts = Counter({("a", f"s{i}" if speakers else ""): clips for i in range(max(1, speakers))})
    split = SplitCounts.of(counts, 1.0)
    splits = {"eval": split.model_copy(update={"clips": clips}), "test": split}
    return IngestReport(rows=1, generated=False, split_by="speaker", splits=splits, rejects={})


def epochs(val_value: float, metric: str = "accuracy") -> list[Epoch]:
    common = {"loss": 1.0, "value": 0.9, "learning_rate": 0.1, "seconds": 1.0, "metric": metric}
    return [
        Epoch(epoch=1, val_loss=0.5, val_value=val_value, **common),
        Epoch(epoch=2, val_loss=0.9, val_value=0.1, **common),  # not kept
    ]


def test_eval_far_above_test_is_said_to_be_too_good() -> None:
    said = eval_gap(epochs(0.98), verdict(0.834, (0.798, 0.866)), ingest())
    assert said is not None
    assert "accuracy is 0.980 on 500 eval clips and 0.834 on 500 test clips" in said
    assert "expect the test number" in said
    assert "Eval has 1 speaker and test 1" in said


def test_test_far_above_eval_is_said_to_be_easier() -> None:
    said = eval_gap(epochs(0.7), verdict(0.834, (0.798, 0.866)), ingest(speakers=0))
    assert said is not None
    assert "easier" in said
    assert "speaker" not in said


@pytest.mark.parametrize(
    ("val_value", "interval", "eval_clips"),
    [
        (0.87, (0.798, 0.866), 500),  # beyond the interval of test, not beyond both
        (0.98, (0.798, 0.866), 20),  # so few eval clips say little
        (0.98, (0.5, float("inf")), 500),
        (0.834, (0.798, 0.866), 500),
    ],
)
def test_what_chance_explains_is_not_said(
    val_value: float, interval: tuple[float, float], eval_clips: int
) -> None:
    assert eval_gap(epochs(val_value), verdict(0.834, interval), ingest(eval_clips)) is None


def test_numbers_of_different_kinds_are_not_compared() -> None:
    assert eval_gap(epochs(0.1, "loudness"), verdict(0.8, (0.79, 0.81)), ingest()) is None
    assert eval_gap([], verdict(0.8, (0.79, 0.81)), ingest()) is None


def test_many_speakers_are_not_called_few() -> None:
    said = eval_gap(epochs(0.98), verdict(0.8, (0.79, 0.81)), ingest(speakers=30))
    assert said is not None
    assert "speaker" not in said
