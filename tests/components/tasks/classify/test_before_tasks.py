"""A verdict and a table of scores that were written before tasks had names, from a recorded run.

The numbers in the verdict were counted by TFMA then: they are the oracle of those counted now.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import scored

from components.evaluation.score_files import read_scores, write_scores
from components.model_gate.decision import decide
from components.storage.location import location_of
from components.tasks.classify.config import Gate
from components.tasks.classify.details import Details
from components.tasks.spot.details import Details as SpotDetails
from schemas.reports.verdict import Verdict, read_verdict

BEFORE = Path(__file__).parent / "before_tasks"


@pytest.fixture
def old() -> dict:
    return json.loads((BEFORE / "verdict.json").read_text())


def test_an_old_verdict_is_read_as_one_of_now(old: dict) -> None:
    verdict = read_verdict(location_of(BEFORE) / "verdict.json")
    assert verdict.task == "classify"
    assert verdict.headline.name == "accuracy"
    assert verdict.headline.value == old["accuracy"]
    assert verdict.headline.interval.model_dump() == old["accuracy_interval"]
    assert verdict.metrics == {name: old[name] for name in ("macro_f1", "calibration_error")}
    assert isinstance(verdict.details, Details)
    assert verdict.details.confusion == old["confusion"]
    assert [s.headline for s in verdict.slices] == [s["accuracy"] for s in old["slices"]]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_one_with_an_operating_point_is_a_keyword_spotter(old: dict) -> None:
    interval = {"low": 0.0, "high": 1.0}
    names = ("threshold", "allowed_per_hour", "choose_hours", "hours", "false_alarms_per_hour")
    point = dict.fromkeys(names, 0.5) | {
        "false_alarms": 1,
        "false_alarms_interval": interval,
        "clips": 4,
        "false_rejects": 0.25,
        "false_rejects_interval": interval,
        "left_out": {},
    }
    verdict = Verdict.model_validate(old | {"keywords": point})
    assert verdict.task == "spot"
    assert isinstance(verdict.details, SpotDetails)
    assert verdict.details.keywords is not None
    assert verdict.details.keywords.threshold == 0.5
    assert Verdict.model_validate(old | {"keywords": None}).task == "classify"


def test_what_is_counted_now_is_what_tfma_counted(old: dict) -> None:
    scores = read_scores(BEFORE / "test.npz")
    case = scored.case(scores)
    verdict = decide(case, scores, task="classify", settings=Gate().model_dump_json())
    added = {"generated", "judged_by"}
    now = verdict.model_dump(exclude=added)
    before = Verdict.model_validate(old).model_dump(exclude=added)
    assert verdict.metrics == pytest.approx(before.pop("metrics"), abs=1e-12)
    del now["metrics"]
    assert now == before


def test_an_old_table_is_written_as_one_of_now(tmp_path: Path) -> None:
    scores = read_scores(BEFORE / "test.npz")
    write_scores(scores, tmp_path / "test.npz")
    again = read_scores(tmp_path / "test.npz")
    with np.load(BEFORE / "test.npz") as old:
        np.testing.assert_array_equal(again.candidate.outputs["scores"], old["candidate_scores"])
        np.testing.assert_array_equal(again.targets, old["labels"])
    np.testing.assert_array_equal(again.candidate.errors, scores.candidate.errors)
