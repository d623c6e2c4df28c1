"""The rules of the gate on counts that are written out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from components.evaluation.scores import ClipScores, ModelScores
from components.evaluation.tallies import Results, Tally
from components.model_gate.decision import decide
from schemas.reports.metrics import ClassMetrics
from schemas.reports.verdict import Verdict
from schemas.workflow.gate import Gate

LABELS = ["no", "yes"]


def model(answers: list[int], labels: list[str] = LABELS) -> ModelScores:
    scores = np.eye(len(labels), dtype=np.float32)[answers]
    return ModelScores(np.array(labels), scores.reshape(len(answers), len(labels)))


def table(
    right: int, wrong: int, speakers: dict[str, Tally] | None = None, **more: object
) -> ClipScores:
    """All clips are of `no`; those of `speakers` instead, where they are given."""
    tallies = speakers or {"": Tally(right, right + wrong)}
    answers = [
        answer for t in tallies.values() for answer in [0] * t.right + [1] * (t.clips - t.right)
    ]
    names = [name for name, t in tallies.items() for _ in range(t.clips)]
    return ClipScores(
        ids=np.array([f"clip{n}" for n in range(len(answers))], np.str_),
        labels=np.array(["no"] * len(answers), np.str_),
        features={"speaker": np.array(names, np.str_)} if speakers else {},
        unsliced=more.get("unsliced", {}),  # type: ignore[arg-type]
        candidate=model(answers),
        baseline=more.get("baseline"),  # type: ignore[arg-type]
    )


def results(scores: ClipScores, which: ModelScores | None = None) -> Results:
    """The counts of a table, as TFMA makes them."""
    which = which or scores.candidate
    answers: dict[str, dict[int, int]] = {}
    for label, answer in zip(scores.labels.tolist(), which.scores.argmax(1).tolist(), strict=True):
        row = answers.setdefault(label, {})
        row[answer] = row.get(answer, 0) + 1
    right = scores.is_right(which)
    slices = {
        name: {
            value: Tally(int(right[values == value].sum()), int((values == value).sum()))
            for value in dict.fromkeys(values.tolist())
        }
        for name, values in scores.features.items()
    }
    return Results(answers, slices)


def verdict_on(scores: ClipScores, confidence: float = 0.95, **rules: object) -> Verdict:
    gate = Gate.model_validate({"accuracy": rules, "confidence": confidence})
    baseline = results(scores, scores.baseline) if scores.baseline else None
    return decide(gate, results(scores), scores, baseline=baseline)


def test_an_interval_above_the_floor_is_blessed() -> None:
    verdict = verdict_on(table(97, 3), at_least=0.9)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == [
        "accuracy 0.970 on 100 test clips, between 0.915 and 0.994 with 95% confidence, "
        "reaches 0.9 (gate.accuracy.at_least)"
    ]
    assert verdict.accuracy_interval.low == pytest.approx(0.9148, abs=1e-4)


def test_an_interval_below_the_floor_is_refused_and_names_clips_to_listen_to() -> None:
    verdict = verdict_on(table(912, 88), at_least=0.95)
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "accuracy 0.912 on 1,000 test clips, between 0.893 and 0.929 with 95% confidence, "
        "is below 0.95 (gate.accuracy.at_least)"
    ]
    assert verdict.rules[0].clips == [f"clip{n}" for n in range(912, 922)]


def test_luck_is_not_blessed() -> None:
    verdict = verdict_on(table(20, 0), at_least=0.95)
    assert verdict.outcome == "undecided"
    [reason] = verdict.reasons
    assert "too few to tell whether it reaches 0.95" in reason
    assert "about 52 more like these would" in reason
    assert verdict.rules[0].more_clips == 52
    assert verdict_on(table(72, 0), at_least=0.95).outcome == "blessed"
    assert verdict_on(table(71, 0), at_least=0.95).outcome == "undecided"


def test_less_confidence_decides_sooner() -> None:
    assert verdict_on(table(50, 0), at_least=0.95, confidence=0.8).outcome == "blessed"


def test_rounding_never_hides_why() -> None:
    verdict = verdict_on(table(94_999, 5_001), at_least=0.95)
    assert verdict.reasons[0].startswith("accuracy 0.94999 on 100,000 test clips")
    assert verdict.outcome == "undecided"


def test_one_failing_speaker_refuses_whatever_the_mean() -> None:
    speakers = {"ann": Tally(999, 1000), "theo": Tally(71, 100), "zoe": Tally(0, 1)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "speaker theo: accuracy 0.710 on 100 clips: below 0.9 (gate.accuracy.slices: speaker)"
    ]
    assert all(clip.startswith("clip10") for clip in verdict.rules[1].clips)
    worst = [(s.value, s.accuracy, s.clips, s.is_small) for s in verdict.slices]
    assert worst[0] == ("zoe", 0.0, 1, True)
    assert ("theo", 0.71, 100, False) in worst


def test_a_slice_too_small_to_judge_is_named_and_not_passed() -> None:
    speakers = {"ann": Tally(999, 1000), "zoe": Tally(3, 3)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
    assert verdict.outcome == "undecided"
    assert "speaker zoe: accuracy 1.000 on 3 clips: too few" in verdict.reasons[0]
    assert "up to 33 more clips of each would" in verdict.reasons[0]


def test_of_many_fair_speakers_none_fails_by_chance() -> None:
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(100):
        right = rng.binomial(100, 0.9, 40)
        speakers = {f"s{n}": Tally(int(r), 100) for n, r in enumerate(right)}
        verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
        refused += verdict.rules[1].outcome == "broken"
    assert refused <= 8


def test_slices_that_reach_it_name_the_worst() -> None:
    speakers = {"": Tally(98, 100), "theo": Tally(100, 100)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker", "label"])
    assert verdict.outcome == "blessed"
    assert verdict.reasons[1:] == [
        "every speaker reaches 0.9; the worst is clips without a speaker: "
        "accuracy 0.980 on 100 clips",
        "every label reaches 0.9; the worst is label no: accuracy 0.990 on 200 clips",
    ]


def test_a_slice_that_no_clip_has_or_that_has_too_many_values_is_refused() -> None:
    verdict = verdict_on(table(99, 1), at_least=0.5, slices=["room"])
    assert verdict.reasons == ["gate.accuracy.slices: room, but no test clip says its room"]
    verdict = verdict_on(table(99, 1, unsliced={"text": 10_000}), at_least=0.5, slices=["text"])
    assert verdict.outcome == "refused"
    assert "10,000 different values are no groups" in verdict.reasons[0]


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome", "words"),
    [
        (2000, 2000, "blessed", "is the same as the last blessed model's"),
        (1990, 1950, "blessed", "is 0.020 above the last blessed model's on 2,000 same clips"),
        (1900, 1950, "refused", "is 0.025 below the last blessed model's"),
        (1985, 2000, "undecided", "too few to tell whether it is more than 0.005 worse"),
    ],
)
def test_a_loss_against_the_baseline(ours: int, theirs: int, outcome: str, words: str) -> None:
    baseline = model([0] * theirs + [1] * (2000 - theirs))
    verdict = verdict_on(table(ours, 2000 - ours, baseline=baseline), no_worse_by_more_than=0.005)
    assert verdict.outcome == outcome
    assert words in verdict.reasons[0]
    assert verdict.baseline_accuracy == theirs / 2000
    assert verdict.difference == pytest.approx((ours - theirs) / 2000)
    if outcome == "undecided":
        assert verdict.rules[0].clips[0] == "clip1985"


def test_a_baseline_of_other_classes_is_compared_on_what_both_know() -> None:
    scores = ClipScores(
        ids=np.array([f"clip{n}" for n in range(150)]),
        labels=np.array(["no"] * 100 + ["new"] * 50),
        features={},
        unsliced={},
        candidate=model([0] * 100 + [1] * 50, ["no", "new"]),
        baseline=model([1] * 80 + [0] * 70, ["yes", "no"]),
    )
    verdict = verdict_on(scores, no_worse_by_more_than=0.0)
    assert verdict.outcome == "blessed"
    assert "on 100 same clips (of 150: those whose label both know)" in verdict.reasons[0]
    assert verdict.difference == pytest.approx(0.2)


def test_a_baseline_that_knows_no_label_is_refused_by_rule() -> None:
    scores = table(100, 0, baseline=model([0] * 100, ["up", "down"]))
    assert verdict_on(scores).outcome == "blessed"
    verdict = verdict_on(scores, no_worse_by_more_than=0.0)
    assert verdict.outcome == "refused"
    assert "nothing to compare" in verdict.reasons[0]


def test_without_a_baseline_there_is_nothing_to_be_worse_than() -> None:
    verdict = verdict_on(table(1, 9), no_worse_by_more_than=0.0)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == ["no model was blessed before, so there is none to be worse than"]
    assert verdict.baseline_accuracy is None


def test_without_rules_every_model_is_blessed() -> None:
    verdict = verdict_on(table(1, 9))
    assert verdict.outcome == "blessed"
    assert verdict.reasons == ["the gate has no rule; accuracy 0.100 on 10 clips"]


def test_no_clips_are_refused_even_without_rules() -> None:
    verdict = verdict_on(table(0, 0), at_least=0.5)
    assert verdict.outcome == "refused"
    assert verdict.clips == 0
    assert verdict.confusion == [[0, 0], [0, 0]]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_scores_that_are_no_numbers_are_refused() -> None:
    scores = table(10, 0)
    scores.candidate.scores[3] = np.nan
    verdict = verdict_on(scores)
    assert verdict.outcome == "refused"
    assert "answers 1 clip with scores that are no numbers (NaN)" in verdict.reasons[0]


def test_a_label_the_model_was_not_taught_is_refused_and_counted_wrong() -> None:
    scores = table(11, 0)
    scores.labels[:] = "no"
    scores = ClipScores(
        scores.ids, np.array(["no"] * 10 + ["zebra"]), {}, {}, scores.candidate, None
    )
    verdict = verdict_on(scores)
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "the test split has 1 clip with the label 'zebra', which the model was not taught"
    ]
    assert verdict.accuracy == pytest.approx(10 / 11)
    assert verdict.labels == ["no", "yes", "zebra"]
    assert verdict.confusion == [[10, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_numbers_of_classes() -> None:
    verdict = verdict_on(table(3, 1))
    assert verdict.classes == {
        "no": ClassMetrics(precision=1.0, recall=0.75, clips=4),
        "yes": ClassMetrics(precision=0.0, recall=None, clips=0),
    }
    assert verdict.macro_f1 == pytest.approx(2 * 0.75 / 1.75)


@pytest.mark.parametrize("whose", ["candidate", "baseline"])
def test_counts_that_are_not_those_of_the_table_are_refused(whose: str) -> None:
    scores = table(97, 3, baseline=model([0] * 98 + [1] * 2))
    assert scores.baseline
    counts = {
        "candidate": results(scores),
        "baseline": results(scores, scores.baseline),
    }
    gate = Gate.model_validate({"accuracy": {"at_least": 0.5}})
    sound = decide(gate, counts["candidate"], scores, baseline=counts["baseline"])
    assert sound.outcome == "blessed"
    counts[whose] = Results({"no": {0: 99, 1: 1}})
    verdict = decide(gate, counts["candidate"], scores, baseline=counts["baseline"])
    assert verdict.outcome == "refused"
    assert [rule.name for rule in verdict.rules] == ["sound"]
    assert "TFMA counts 99 right answers" in verdict.reasons[0]
    counts[whose] = Results({"no": {0: 97, 1: 2}})  # a clip is lost
    verdict = decide(gate, counts["candidate"], scores, baseline=counts["baseline"])
    assert verdict.outcome == "refused"
    assert "on 99 clips" in verdict.reasons[0]


def with_hard_clips(scores: ClipScores, answers: list[int]) -> ClipScores:
    """The table with clips of `no` that must pass behind it."""
    hard = np.array([""] * len(scores.ids) + ["true"] * len(answers))
    return replace(
        scores,
        ids=np.array([*scores.ids, *(f"hard{n}" for n in range(len(answers)))]),
        labels=np.array(["no"] * len(hard)),
        features={"must_pass": hard},
        candidate=model([*scores.candidate.scores.argmax(1), *answers]),
        baseline=scores.baseline
        and model([*scores.baseline.scores.argmax(1), *[0] * len(answers)]),
    )


def verdict_with(scores: ClipScores, **rules: object) -> Verdict:
    gate = Gate.model_validate({"accuracy": rules})
    counted = scores.counted
    baseline = results(counted, counted.baseline) if counted.baseline else None
    return decide(gate, results(counted), scores, baseline=baseline)


def test_one_wrong_answer_to_a_clip_that_must_pass_refuses() -> None:
    scores = with_hard_clips(table(97, 3), [0, 1, 1])
    verdict = verdict_with(scores, at_least=0.9)
    assert verdict.outcome == "refused"
    assert [(rule.name, rule.outcome) for rule in verdict.rules] == [
        ("gate.accuracy.at_least", "held"),
        ("must_pass", "broken"),
    ]
    assert verdict.reasons == [
        "wrong on 2 of 3 must-pass clips, no as yes (hard1); no as yes (hard2) (must_pass)"
    ]
    assert verdict.rules[1].clips == ["hard1", "hard2"]


def test_clips_that_must_pass_are_in_no_statistic() -> None:
    baseline = model([0] * 100)
    plain = verdict_on(table(97, 3, baseline=baseline), at_least=0.9, no_worse_by_more_than=0.2)
    hard = verdict_with(
        with_hard_clips(table(97, 3, baseline=baseline), [0] * 50),
        at_least=0.9,
        no_worse_by_more_than=0.2,
    )
    assert hard.outcome == "blessed"
    assert hard.rules.pop().said == "right on 50 must-pass clips (must_pass)"
    assert hard.reasons.pop() == "right on 50 must-pass clips (must_pass)"
    assert hard == plain


def test_a_must_pass_rule_needs_no_other_and_no_number_is_wrong() -> None:
    verdict = verdict_with(with_hard_clips(table(1, 0), [0]))
    assert (verdict.outcome, verdict.reasons) == (
        "blessed",
        ["right on 1 must-pass clip (must_pass)"],
    )
    scores = with_hard_clips(table(1, 0), [0])
    scores.candidate.scores[-1] = np.nan
    assert verdict_with(scores).outcome == "refused"
