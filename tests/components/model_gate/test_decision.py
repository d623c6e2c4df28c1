"""The rules of the gate on counts that are written out by hand."""

import pytest

from components.model_gate.counts import Results, Tally
from components.model_gate.decision import decide
from schemas.reports import ClassMetrics, Verdict
from schemas.workflow import Gate

LABELS = ["no", "yes"]


def results(right: int, wrong: int, **slices: dict[str, Tally]) -> Results:
    """All clips are of `no`."""
    return Results({"no": {0: right, 1: wrong}}, slices)


def gate(**rules: object) -> Gate:
    return Gate.model_validate({"accuracy": rules})


@pytest.mark.parametrize("right", [19, 20])
def test_an_accuracy_that_reaches_the_threshold_is_blessed(right: int) -> None:
    verdict = decide(gate(at_least=0.95), results(right, 20 - right), LABELS)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == [
        f"accuracy {right / 20:.3f} reaches 0.95 (gate.accuracy.at_least), on 20 test clips"
    ]


def test_an_accuracy_below_the_threshold_is_refused_in_words() -> None:
    verdict = decide(gate(at_least=0.95), results(912, 88), LABELS)
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "accuracy 0.912 is below 0.95 (gate.accuracy.at_least), on 1000 test clips"
    ]


def test_rounding_never_hides_why() -> None:
    verdict = decide(gate(at_least=0.95), results(94_999, 5_001), LABELS)
    assert verdict.reasons[0].startswith("accuracy 0.94999 is below 0.95 ")


def test_every_value_of_a_slice_must_reach_the_threshold() -> None:
    speakers = {"ann": Tally(99, 100), "theo": Tally(71, 100), "zoe": Tally(0, 1)}
    verdict = decide(
        gate(at_least=0.9, slices=["speaker"]), results(950, 50, speaker=speakers), LABELS
    )
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "speaker zoe: accuracy 0.000 on 1 clip; speaker theo: accuracy 0.710 on 100 clips: "
        "below 0.9 (gate.accuracy.slices: speaker)"
    ]
    worst = [(s.feature, s.value, s.accuracy, s.clips) for s in verdict.slices]
    assert worst == [
        ("speaker", "zoe", 0.0, 1),
        ("speaker", "theo", 0.71, 100),
        ("label", "no", 0.95, 1000),
        ("speaker", "ann", 0.99, 100),
    ]


def test_slices_that_reach_it_name_the_worst() -> None:
    speakers = {"": Tally(9, 10), "theo": Tally(10, 10)}
    verdict = decide(
        gate(at_least=0.9, slices=["speaker", "label"]), results(19, 1, speaker=speakers), LABELS
    )
    assert verdict.outcome == "blessed"
    assert verdict.reasons[1:] == [
        "every speaker reaches 0.9; the worst is clips without a speaker: "
        "accuracy 0.900 on 10 clips",
        "every label reaches 0.9; the worst is label no: accuracy 0.950 on 20 clips",
    ]


def test_many_failing_slices_are_counted_not_listed() -> None:
    speakers = {f"s{i:02}": Tally(0, 1) for i in range(25)}
    verdict = decide(
        gate(at_least=0.1, slices=["speaker"]), results(20, 5, speaker=speakers), LABELS
    )
    assert "s09" in verdict.reasons[0]
    assert "s10" not in verdict.reasons[0]
    assert "; and 15 more: below 0.1" in verdict.reasons[0]


def test_a_slice_that_no_clip_has_is_refused() -> None:
    verdict = decide(gate(at_least=0.5, slices=["speaker"]), results(9, 1), LABELS)
    assert verdict.outcome == "refused"
    assert verdict.reasons == ["gate.accuracy.slices names speaker, but no test clip has one"]


@pytest.mark.parametrize(
    ("right", "outcome", "words"),
    [
        (945, "blessed", "is 0.005 below the 0.950 of the last blessed model"),
        (944, "refused", "is 0.006 below the 0.950 of the last blessed model"),
        (950, "blessed", "is the same as the 0.950 of the last blessed model"),
        (970, "blessed", "is 0.020 above the 0.950 of the last blessed model"),
    ],
)
def test_a_loss_against_the_baseline(right: int, outcome: str, words: str) -> None:
    verdict = decide(
        gate(no_worse_by_more_than=0.005),
        results(right, 1000 - right),
        LABELS,
        baseline=results(950, 50),
        baseline_labels=LABELS,
    )
    assert verdict.outcome == outcome
    assert words in verdict.reasons[0]
    assert verdict.baseline_accuracy == 0.95


def test_a_baseline_counts_by_its_own_classes() -> None:
    baseline = Results({"no": {1: 8, 0: 2}, "new": {0: 5}})  # its class 1 is `no`; `new` it lacks
    candidate = Results({"no": {0: 10}, "new": {1: 5}})
    verdict = decide(
        gate(no_worse_by_more_than=0.0),
        candidate,
        ["no", "new"],
        baseline=baseline,
        baseline_labels=["yes", "no"],
    )
    assert verdict.outcome == "blessed"
    assert verdict.baseline_accuracy == pytest.approx(8 / 15)


def test_without_a_baseline_there_is_nothing_to_be_worse_than() -> None:
    verdict = decide(gate(no_worse_by_more_than=0.0), results(1, 9), LABELS)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == ["no model was blessed before, so there is none to be worse than"]
    assert verdict.baseline_accuracy is None


def test_without_rules_every_model_is_blessed() -> None:
    verdict = decide(Gate(), results(1, 9), LABELS, generated=True)
    assert verdict.outcome == "blessed"
    assert verdict.reasons == ["the gate has no rule; accuracy 0.100 on 10 clips"]
    assert verdict.generated


def test_no_clips_are_refused_even_without_rules() -> None:
    verdict = decide(Gate(), Results(), LABELS)
    assert verdict.outcome == "refused"
    assert verdict.clips == 0
    assert verdict.confusion == [[0, 0], [0, 0]]
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_scores_that_are_no_numbers_are_refused() -> None:
    verdict = decide(Gate(), Results({"no": {0: 10}}, is_finite=False), LABELS)
    assert verdict.outcome == "refused"
    assert "NaN" in verdict.reasons[0]


def test_a_label_the_model_was_not_taught_is_refused_and_counted_wrong() -> None:
    verdict = decide(Gate(), Results({"no": {0: 10}, "zebra": {0: 1}}), LABELS)
    assert verdict.outcome == "refused"
    assert verdict.reasons == [
        "the test split has 1 clip with the label 'zebra', which the model was not taught"
    ]
    assert verdict.accuracy == pytest.approx(10 / 11)
    assert verdict.labels == ["no", "yes", "zebra"]
    assert verdict.confusion == [[10, 0, 0], [0, 0, 0], [1, 0, 0]]


def test_classes_without_clips_or_answers_have_no_number() -> None:
    verdict = decide(Gate(), Results({"no": {0: 3, 2: 1}}), ["no", "yes", "maybe"])
    assert verdict.classes == {
        "no": ClassMetrics(precision=1.0, recall=0.75, clips=4),
        "yes": ClassMetrics(precision=None, recall=None, clips=0),
        "maybe": ClassMetrics(precision=0.0, recall=None, clips=0),
    }
