"""The rules of the gate on counts that are written out by hand; `sentences.txt` has their words."""

from dataclasses import dataclass

import numpy as np
import pytest
import scored

from components.evaluation.scores import ClipScores
from components.evaluation.tallies import Tally
from components.model_gate.decision import decide
from components.tasks.classify.config import Gate
from components.tasks.classify.details import ClassMetrics
from schemas.reports.verdict import Verdict

LABELS = ["no", "yes"]
SPEAKERS = "gate.accuracy.slices: speaker"


@dataclass(frozen=True)
class Right:
    """How many of some clips are answered right."""

    right: int
    clips: int


def model(answers: list[int], labels: list[str] = LABELS) -> scored.Answered:
    scores = np.eye(len(labels), dtype=np.float32)[answers]
    return scored.Answered(np.array(labels), scores.reshape(len(answers), len(labels)))


def table(
    right: int, wrong: int, speakers: dict[str, Right] | None = None, **more: object
) -> ClipScores:
    """All clips are of `no`; those of `speakers` instead, where they are given."""
    parts = speakers or {"": Right(right, right + wrong)}
    answers = [
        answer for t in parts.values() for answer in [0] * t.right + [1] * (t.clips - t.right)
    ]
    names = [name for name, t in parts.items() for _ in range(t.clips)]
    return scored.table(
        ids=[f"clip{n}" for n in range(len(answers))],
        labels=["no"] * len(answers),
        features={"speaker": np.array(names, np.str_)} if speakers else {},
        candidate=model(answers),
        **more,
    )


def verdict_with(scores: ClipScores, confidence: float = 0.95, **rules: object) -> Verdict:
    """On counts that are those of the table."""
    case = scored.case(scores, confidence=confidence)
    gate = Gate.model_validate({"accuracy": rules, "confidence": confidence})
    baseline = case.scores.baseline
    return decide(
        case,
        scores,
        task="classify",
        settings=gate.model_dump_json(),
        baseline=baseline and scored.tallies(case.scores, baseline),
    )


verdict_on = verdict_with


def rules_of(verdict: Verdict) -> dict[str, str]:
    """The outcome of each rule by its name."""
    return {rule.name: rule.outcome for rule in verdict.rules}


def test_an_interval_above_the_floor_is_blessed() -> None:
    verdict = verdict_on(table(97, 3), at_least=0.9)
    assert verdict.outcome == "blessed"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "held"}
    assert verdict.headline.interval.low == pytest.approx(0.9148, abs=1e-4)
    assert verdict.rules[0].clips == ["clip97", "clip98", "clip99"]


def test_where_all_is_right_the_least_sure_clips_are_to_be_listened_to() -> None:
    scores = table(100, 0)
    scores.candidate.merit[[7, 3]] = [0.1, 0.2]
    verdict = verdict_on(scores, at_least=0.9)
    assert verdict.outcome == "blessed"
    assert verdict.rules[0].clips[:2] == ["clip7", "clip3"]


def test_an_interval_below_the_floor_is_refused_and_names_clips_to_listen_to() -> None:
    verdict = verdict_on(table(912, 88), at_least=0.95)
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "broken"}
    assert verdict.headline.value == pytest.approx(0.912)
    assert verdict.rules[0].clips == [f"clip{n}" for n in range(912, 922)]


def test_luck_is_not_blessed() -> None:
    verdict = verdict_on(table(20, 0), at_least=0.95)
    assert verdict.outcome == "undecided"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "undecided"}
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
    speakers = {"ann": Right(999, 1000), "theo": Right(71, 100), "zoe": Right(0, 1)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "held", SPEAKERS: "broken"}
    assert all(clip.startswith("clip10") for clip in verdict.rules[1].clips)
    worst = [(s.value, s.headline, s.clips, s.is_small) for s in verdict.slices]
    assert worst[0] == ("zoe", 0.0, 1, True)
    assert ("theo", 0.71, 100, False) in worst


def test_a_slice_too_small_to_judge_is_named_and_not_passed() -> None:
    speakers = {"ann": Right(999, 1000), "zoe": Right(3, 3)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
    assert verdict.outcome == "undecided"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "held", SPEAKERS: "undecided"}
    assert verdict.rules[1].more_clips == 33


def test_of_many_fair_speakers_none_fails_by_chance() -> None:
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(100):
        right = rng.binomial(100, 0.9, 40)
        speakers = {f"s{n}": Right(int(r), 100) for n, r in enumerate(right)}
        verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker"])
        refused += verdict.rules[1].outcome == "broken"
    assert refused <= 8


def test_slices_that_reach_it() -> None:
    speakers = {"": Right(98, 100), "theo": Right(100, 100)}
    verdict = verdict_on(table(0, 0, speakers), at_least=0.9, slices=["speaker", "label"])
    assert verdict.outcome == "blessed"
    assert set(rules_of(verdict).values()) == {"held"}
    assert [rule.clips for rule in verdict.rules] == [["clip98", "clip99"]] * 3
    assert [(s.feature, s.value, s.headline) for s in verdict.slices][:2] == [
        ("speaker", "", 0.98),
        ("label", "no", 0.99),
    ]


def test_a_slice_that_no_clip_has_or_that_has_too_many_values_is_refused() -> None:
    verdict = verdict_on(table(99, 1), at_least=0.5, slices=["room"])
    assert (verdict.outcome, verdict.rules[1].outcome) == ("refused", "broken")
    verdict = verdict_on(table(99, 1, unsliced={"text": 10_000}), at_least=0.5, slices=["text"])
    assert verdict.outcome == "refused"
    assert verdict.rules[1].outcome == "broken"


@pytest.mark.parametrize(
    ("ours", "theirs", "outcome"),
    [
        (2000, 2000, "blessed"),
        (1990, 1950, "blessed"),
        (1900, 1950, "refused"),
        (1985, 2000, "undecided"),
    ],
)
def test_a_loss_against_the_baseline(ours: int, theirs: int, outcome: str) -> None:
    baseline = model([0] * theirs + [1] * (2000 - theirs))
    verdict = verdict_on(table(ours, 2000 - ours, baseline=baseline), no_worse_by_more_than=0.005)
    assert verdict.outcome == outcome
    assert verdict.baseline == theirs / 2000
    assert verdict.difference == pytest.approx((ours - theirs) / 2000)
    first = {2000: "clip0", 1990: "clip1990", 1900: "clip1900", 1985: "clip1985"}
    if ours != 1990:  # there the wrong ones are wrong in both
        assert verdict.rules[0].clips[0] == first[ours]


def test_a_baseline_of_other_classes_is_compared_on_what_both_know() -> None:
    scores = scored.table(
        ids=[f"clip{n}" for n in range(150)],
        labels=["no"] * 100 + ["new"] * 50,
        candidate=model([0] * 100 + [1] * 50, ["no", "new"]),
        baseline=model([1] * 80 + [0] * 70, ["yes", "no"]),
    )
    verdict = verdict_on(scores, no_worse_by_more_than=0.0)
    assert verdict.outcome == "blessed"
    assert verdict.difference == pytest.approx(0.2)


def test_a_baseline_that_knows_no_label_is_refused_by_rule() -> None:
    scores = table(100, 0, baseline=model([0] * 100, ["up", "down"]))
    assert verdict_on(scores).outcome == "blessed"
    verdict = verdict_on(scores, no_worse_by_more_than=0.0)
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"gate.accuracy.no_worse_by_more_than": "broken"}


def test_without_a_baseline_there_is_nothing_to_be_worse_than() -> None:
    verdict = verdict_on(table(1, 9), no_worse_by_more_than=0.0)
    assert verdict.outcome == "blessed"
    assert rules_of(verdict) == {"gate.accuracy.no_worse_by_more_than": "held"}
    assert verdict.baseline is None


def test_without_rules_every_model_is_blessed() -> None:
    verdict = verdict_on(table(1, 9))
    assert verdict.outcome == "blessed"
    assert (verdict.rules, len(verdict.reasons)) == ([], 1)


def test_no_clips_are_refused_even_without_rules() -> None:
    verdict = verdict_on(table(0, 0), at_least=0.5)
    assert verdict.outcome == "refused"
    assert verdict.clips == 0
    assert verdict.details.confusion == [[0, 0], [0, 0]]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_scores_that_are_no_numbers_are_refused() -> None:
    answered = model([0] * 10)
    answered.scores[3] = np.nan
    verdict = verdict_on(scored.table(range(10), ["no"] * 10, candidate=answered))
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"sound": "broken"}


def test_a_label_the_model_was_not_taught_is_refused_and_counted_wrong() -> None:
    scores = scored.table(range(11), ["no"] * 10 + ["zebra"], candidate=model([0] * 11))
    verdict = verdict_on(scores)
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"sound": "broken"}
    assert verdict.headline.value == pytest.approx(10 / 11)
    assert verdict.details.labels == ["no", "yes", "zebra"]
    assert verdict.details.confusion == [[10, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_numbers_of_classes() -> None:
    verdict = verdict_on(table(3, 1))
    assert verdict.details.classes == {
        "no": ClassMetrics(precision=1.0, recall=0.75, clips=4),
        "yes": ClassMetrics(precision=0.0, recall=None, clips=0),
    }
    assert verdict.metrics["macro_f1"] == pytest.approx(2 * 0.75 / 1.75)


def test_counts_of_other_clips_than_the_table_holds_are_refused() -> None:
    scores = table(97, 3)
    counts = {"": {"": Tally(errors=3, units=99, clips=99)}}
    case, settings = scored.case(scores, counts=counts), Gate().model_dump_json()
    verdict = decide(case, scores, task="classify", settings=settings)
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"sound": "broken"}


def with_hard_clips(
    right: int, answers: list[int], baseline: list[int] | None = None
) -> ClipScores:
    """100 clips of `no`, `right` of them right, and others behind them that must pass."""
    hard = np.array([""] * 100 + ["true"] * len(answers))
    return scored.table(
        ids=[*(f"clip{n}" for n in range(100)), *(f"hard{n}" for n in range(len(answers)))],
        labels=["no"] * len(hard),
        features={"must_pass": hard},
        candidate=model([0] * right + [1] * (100 - right) + answers),
        baseline=baseline and model(baseline + [0] * len(answers)),
    )


def test_one_wrong_answer_to_a_clip_that_must_pass_refuses() -> None:
    scores = with_hard_clips(97, [0, 1, 1])
    verdict = verdict_with(scores, at_least=0.9)
    assert verdict.outcome == "refused"
    assert rules_of(verdict) == {"gate.accuracy.at_least": "held", "must_pass": "broken"}
    assert verdict.rules[1].clips == ["hard1", "hard2"]


def test_clips_that_must_pass_are_in_no_statistic() -> None:
    baseline = model([0] * 100)
    plain = verdict_on(table(97, 3, baseline=baseline), at_least=0.9, no_worse_by_more_than=0.2)
    hard = verdict_with(
        with_hard_clips(97, [0] * 50, baseline=[0] * 100),
        at_least=0.9,
        no_worse_by_more_than=0.2,
    )
    assert hard.outcome == "blessed"
    must_pass = hard.rules.pop()
    assert (must_pass.name, must_pass.outcome) == ("must_pass", "held")
    assert hard.reasons.pop() == must_pass.message
    assert hard == plain


def test_a_must_pass_rule_needs_no_other_and_no_number_is_wrong() -> None:
    verdict = verdict_with(with_hard_clips(100, [0]))
    assert (verdict.outcome, rules_of(verdict)) == ("blessed", {"must_pass": "held"})
    answered = model([0, 0])
    answered.scores[1] = np.nan
    features = {"must_pass": np.array(["", "true"])}
    scores = scored.table(["a", "b"], ["no", "no"], features=features, candidate=answered)
    assert verdict_with(scores).outcome == "refused"


def under_conditions(conditions: dict[str, ClipScores], **limits: object) -> Verdict:
    scores = table(97, 3)
    gate = Gate.model_validate({"conditions": limits})
    return decide(
        scored.case(scores, confidence=0.95),
        scores,
        task="classify",
        settings=gate.model_dump_json(),
        conditions=conditions,
    )


@pytest.mark.parametrize(
    ("right", "outcome"), [(97, "blessed"), (92, "undecided"), (70, "refused")]
)
def test_a_limit_under_a_condition_is_judged_by_its_interval(right: int, outcome: str) -> None:
    noisy = table(right, 100 - right)
    verdict = under_conditions({"noise_10db": noisy}, noise_10db={"at_least": 0.9})
    assert verdict.outcome == outcome
    assert [rule.name for rule in verdict.rules] == ["gate.conditions.noise_10db.at_least"]
    [found] = verdict.conditions
    assert (found.name, found.value, found.clips) == ("noise_10db", right / 100, 100)
    assert found.interval.low < right / 100 < found.interval.high
    assert found.baseline is found.difference_interval is None
    assert verdict.headline.value == 0.97  # the clips as they are


def test_a_condition_is_compared_with_what_the_last_model_is_worth_there() -> None:
    noisy = table(60, 40, baseline=model([0] * 95 + [1] * 5))
    verdict = under_conditions({"room": noisy}, room={"no_worse_by_more_than": 0.1})
    assert rules_of(verdict) == {"gate.conditions.room.no_worse_by_more_than": "broken"}
    [found] = verdict.conditions
    assert found.baseline == 0.95
    assert found.difference_interval is not None
    assert found.difference_interval.low < -0.35 < found.difference_interval.high


def test_a_condition_that_nobody_heard_cannot_bless() -> None:
    verdict = under_conditions({}, room={"at_least": 0.1})
    assert rules_of(verdict) == {"gate.conditions.room": "broken"}
    assert verdict.outcome == "refused"


def test_conditions_without_a_limit_are_measured_all_the_same() -> None:
    verdict = under_conditions({"room": table(1, 99), "shift": table(99, 1)})
    assert verdict.outcome == "blessed"
    assert [each.name for each in verdict.conditions] == ["room", "shift"]
