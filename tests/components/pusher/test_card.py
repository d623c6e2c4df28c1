"""The model card says what is known, and what is not."""

import json
from pathlib import Path

import pytest
from pushed import make_card, make_verdict
from scored import spotted
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.pusher.card import render_card
from components.pusher.executor import Executor
from components.tasks.spot.details import OperatingPoint
from schemas.reports.metrics import Interval, SliceMetrics
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard, TrainingData
from schemas.reports.training import Start
from schemas.reports.verdict import VERDICT_FILE, Verdict
from schemas.versions import CARD_FILE


def make_slice(value: str, accuracy: float, clips: int) -> SliceMetrics:
    return SliceMetrics(
        feature="speaker",
        value=value,
        headline=accuracy,
        interval=Interval(low=accuracy - 0.05, high=accuracy + 0.05),
        clips=clips,
        is_small=clips < 20,
        difference=None,
    )


@pytest.fixture
def verdict() -> Verdict:
    slices = [
        make_slice("theo", 0.8, 100),
        make_slice("ann", 0.95, 390),
        make_slice("", 0.1, 10),
    ]
    return make_verdict().model_copy(update={"slices": slices})


def test_a_card_has_numbers_with_intervals_and_names_weak_slices(verdict: Verdict) -> None:
    text = render_card(make_card(), verdict)
    assert text.startswith("# digits\n")
    for expected in (
        "Trained on 900 clips of 3 speakers.",
        "CC BY 4.0 (900 clips).",
        "| accuracy | 0.912 (0.882 to 0.932) |",
        "on the same clips | +0.012 (-0.001 to +0.025) |",
        "- accuracy 0.912 reaches 0.9",
        "Too few test clips to judge: speaker unknown (10).",
        "cnn on log_mel, 161,578 parameters.",
    ):
        assert expected in text
    assert text.index("| speaker theo | 0.800") < text.index("| speaker ann | 0.950")
    assert render_card(make_card(), verdict) == text


def test_a_card_says_what_training_started_from(verdict: Verdict) -> None:
    start = Start(weights="champion", message="from the last blessed model (c0ffee)")
    text = render_card(make_card(start=start), verdict)
    assert "161,578 parameters, " in text


def test_what_is_not_known_is_said(verdict: Verdict) -> None:
    text = render_card(make_card(data=None, generated=True), verdict)
    assert "generated" in text
    text = render_card(make_card(data=TrainingData(clips=9, speakers=0, licences={})), verdict)


POINT = OperatingPoint(
    threshold=0.99996,
    allowed_per_hour=0.5,
    choose_hours=1.5,
    hours=1.25,
    false_alarms=2,
    false_alarms_per_hour=1.6,
    false_alarms_interval=Interval(low=0.1938, high=5.78),
    clips=500,
    false_rejects=0.12,
    false_rejects_interval=Interval(low=0.093, high=0.152),
    left_out={},
)


def test_the_operating_point_is_that_of_the_verdict(verdict: Verdict) -> None:
    assert "threshold" in render_card(make_card(), verdict)
    text = render_card(make_card(), spotted(verdict, POINT))
    section = " ".join(text.partition("## Operating point")[2].partition("## Model and")[0].split())
    for expected in (
        "its score is 0.99996 or more",
        "| false alarms an hour | 1.60 (0.194 to 5.78): 2 in 1.25 hours of recordings without",
        "| false rejects | 0.120 (0.093 to 0.152) of 500 test clips |",
        "at most 0.500 an hour through in 1.50 hours of other recordings, so short that this means",
    ):
        assert expected in section
    assert "no threshold is applied" not in text


@pytest.mark.parametrize("point", [POINT, None])
def test_a_push_puts_the_threshold_into_the_model_that_is_served(
    verdict: Verdict, tmp_path: Path, point: OperatingPoint | None
) -> None:
    model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
    infra, pushed = standard_artifacts.InfraBlessing(), standard_artifacts.PushedModel()
    artifacts = {"model": model, "model_blessing": blessing, "infra_blessing": infra}
    for name, artifact in (artifacts | {"pushed_model": pushed}).items():
        artifact.uri = str(tmp_path / name)
        (tmp_path / name).mkdir()
    blessing.set_int_custom_property("blessed", 1)
    infra.set_int_custom_property("blessed", 1)
    card_file = tmp_path / "model" / "Format-Serving" / MODEL_CARD_FILE
    card_file.parent.mkdir(parents=True)
    (card_file.parents[1] / "saved_model.pb").touch()
    card_file.write_text(make_card().model_dump_json())
    judged = spotted(verdict, point)
    (tmp_path / "model_blessing" / VERDICT_FILE).write_text(judged.model_dump_json())
    destination = pusher_pb2.PushDestination(
        filesystem={"base_directory": str(tmp_path / "serving")}
    )
    Executor().Do(
        {name: [artifact] for name, artifact in artifacts.items()},
        {"pushed_model": [pushed]},
        {
            "push_destination": proto_utils.proto_to_json(destination),
            "custom_config": json.dumps({"ledger": str(tmp_path / "versions.json")}),
        },
    )
    served = (tmp_path / "serving" / "1" / MODEL_CARD_FILE).read_text()
    threshold = point.threshold if point else None
    assert ModelCard.model_validate_json(served) == make_card(threshold=threshold)
    assert ModelCard.model_validate_json(card_file.read_text()) == make_card()
    assert (tmp_path / "serving" / "1" / CARD_FILE).exists()
