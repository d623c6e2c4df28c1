"""A verdict tells how often its test clips have judged, and that the gate was changed since."""

from pathlib import Path

import numpy as np
import pytest
import scored

from components.model_gate.decision import decide
from components.model_gate.trace import add_trace, clips_digest
from components.storage.location import Location, location_of
from components.tasks.classify.config import Gate
from schemas.reports.verdict import Verdict


@pytest.fixture
def file(tmp_path: Path) -> Location:
    return location_of(tmp_path / "judgements.jsonl")


def judge(at_least: float, ids: str = "abcdefghij", when_undecided: str = "keep") -> Verdict:
    scores = np.eye(2, dtype=np.float32)[[0] * (len(ids) - 1) + [1]]
    answered = scored.Answered(np.array(["no", "yes"]), scores)
    case = scored.case(scored.table(list(ids), ["no"] * len(ids), candidate=answered))
    gate = {"accuracy": {"at_least": at_least}, "when_undecided": when_undecided}
    settings = Gate.model_validate(gate).model_dump_json()
    return decide(case, case.scores, task="classify", settings=settings)


def test_the_first_verdict_has_nothing_to_tell(file: Location) -> None:
    verdict = add_trace(judge(0.5), "one", file)
    assert (verdict.judged_before, verdict.gate_change, verdict.remarks) == (0, "", [])
    assert verdict.limits == ["accuracy at least 0.5"]
    assert verdict.judged_by == clips_digest("jihgfedcba")


def test_a_limit_that_is_lowered_after_the_result_leaves_a_trace(file: Location) -> None:
    assert add_trace(judge(0.8), "one", file).outcome == "undecided"
    lowered = add_trace(judge(0.5), "two", file)
    assert (lowered.outcome, lowered.judged_before) == ("blessed", 1)
    for said in ("0.8", "0.5", "undecided", "0.900"):
        assert said in lowered.gate_change
    # It stays: a third verdict under the lowered gate was still not the first on these clips.
    again = add_trace(judge(0.5), "three", file)
    assert (again.judged_before, again.gate_change) == (2, lowered.gate_change)
    assert again.remarks == [again.gate_change, "these test clips have judged 2 times before"]


def test_a_step_that_is_tried_again_is_one_verdict(file: Location) -> None:
    first = add_trace(judge(0.8), "one", file)
    assert add_trace(judge(0.8), "one", file) == first
    assert len(file.read().splitlines()) == 1


def test_other_test_clips_judge_anew(file: Location) -> None:
    add_trace(judge(0.8), "one", file)
    other = add_trace(judge(0.5, ids="abcdefghijk"), "two", file)
    assert (other.judged_before, other.gate_change) == (0, "")


@pytest.mark.parametrize(("when_undecided", "allowed"), [("keep", False), ("push", True)])
def test_an_undecided_model_is_published_where_the_gate_says_so(
    when_undecided: str, allowed: bool
) -> None:
    verdict = judge(0.8, when_undecided=when_undecided)
    assert (verdict.outcome, verdict.allows_push) == ("undecided", allowed)
    assert any("when_undecided" in remark for remark in verdict.remarks) == allowed
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_refused_model_is_never_published() -> None:
    ids = "".join(chr(0x4E00 + n) for n in range(300))
    scores = np.eye(2, dtype=np.float32)[[0, 1] * 150]
    answered = scored.Answered(np.array(["no", "yes"]), scores)
    case = scored.case(scored.table(list(ids), ["no"] * 300, candidate=answered))
    gate = {"accuracy": {"at_least": 0.9}, "when_undecided": "push"}
    settings = Gate.model_validate(gate).model_dump_json()
    verdict = decide(case, case.scores, task="classify", settings=settings)
    assert (verdict.outcome, verdict.allows_push) == ("refused", False)
