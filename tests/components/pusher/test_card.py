"""The model card says what is known, and what is not."""

import pytest

from components.pusher.card import render_card
from schemas.reports import Interval, ModelCard, SliceMetrics, Start, TrainingData, Verdict


def make_card(**changes: object) -> ModelCard:
    values: dict[str, object] = {
        "name": "digits",
        "labels": ["one", "two"],
        "audio": {"sample_rate": 8000, "clip_s": 1.0},
        "frontend": {"kind": "log_mel"},
        "model": {"architecture": "cnn"},
        "parameters": 161578,
        "generated": False,
        "data": TrainingData(clips=900, speakers=3, licences={"CC BY 4.0": 900}),
    }
    return ModelCard.model_validate(values | changes)


def make_slice(value: str, accuracy: float, clips: int) -> SliceMetrics:
    return SliceMetrics(
        feature="speaker",
        value=value,
        accuracy=accuracy,
        interval=Interval(low=accuracy - 0.05, high=accuracy + 0.05),
        clips=clips,
        is_small=clips < 20,
        difference=None,
    )


@pytest.fixture
def verdict() -> Verdict:
    return Verdict(
        outcome="blessed",
        reasons=["accuracy 0.912 reaches 0.9"],
        rules=[],
        confidence=0.95,
        clips=500,
        accuracy=0.912,
        accuracy_interval=Interval(low=0.884, high=0.935),
        macro_f1=0.91,
        calibration_error=0.04,
        baseline_accuracy=0.9,
        difference=0.012,
        difference_interval=Interval(low=-0.001, high=0.025),
        classes={},
        slices=[
            make_slice("theo", 0.8, 100),
            make_slice("ann", 0.95, 390),
            make_slice("", 0.1, 10),
        ],
        unsliced={},
        confusion=[],
        labels=["one", "two"],
        generated=False,
    )


def test_a_card_has_numbers_with_intervals_and_names_weak_slices(verdict: Verdict) -> None:
    text = render_card(make_card(), verdict)
    assert text.startswith("# digits\n")
    for expected in (
        "Trained on 900 clips of 3 speakers.",
        "CC BY 4.0 (900 clips).",
        "| accuracy | 0.912 (0.884 to 0.935) |",
        "on the same clips | +0.012 (-0.001 to +0.025) |",
        "- accuracy 0.912 reaches 0.9",
        "Too few test clips to judge: speaker unknown (10).",
        "cnn on log_mel, 161,578 parameters.",
    ):
        assert expected in text
    assert text.index("| speaker theo | 0.800") < text.index("| speaker ann | 0.950")
    assert render_card(make_card(), verdict) == text


def test_a_card_says_what_training_started_from(verdict: Verdict) -> None:
    start = Start(weights="champion", said="from the last blessed model (c0ffee)")
    text = render_card(make_card(start=start), verdict)
    assert "161,578 parameters, trained from the last blessed model (c0ffee)." in text


def test_what_is_not_known_is_said(verdict: Verdict) -> None:
    text = render_card(make_card(data=None, generated=True), verdict)
    assert "generated speech only" in text
    assert "Nothing is recorded of the training data." in text
    text = render_card(make_card(data=TrainingData(clips=9, speakers=0, licences={})), verdict)
    assert "their speakers are not known" in text
    assert "The manifest states no licence." in text
