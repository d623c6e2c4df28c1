"""What a gate could show, against the gate itself on made-up answers."""

import numpy as np
import pytest

from components.evaluation.intervals import accuracy_interval
from components.evaluation.outlook import Unanswered, foresee_share
from components.tasks import parts
from components.tasks.classify.config import Gate, Threshold
from components.tasks.spot.config import FalseRejects
from components.tasks.spot.config import Gate as SpotGate


def clips(labels: str, each: int, is_clustered: bool = False, speakers: int = 0) -> Unanswered:
    targets = np.repeat(list(labels), each).astype(np.str_)
    who = np.array([f"s{n % speakers}" if speakers else "" for n in range(len(targets))], np.str_)
    return Unanswered(targets, who, {"label": targets, "speaker": who}, is_clustered)


@pytest.mark.parametrize("limit", [0.5, 0.75, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("total", [1, 3, 16, 36, 100, 299])
def test_one_right_answer_fewer_would_not_be_enough(limit, total):
    outlook = foresee_share("rule", limit, clips("a", total), 0.95)
    assert outlook.clips == total
    if outlook.enough is None:
        assert accuracy_interval(total, total, 0.95)[0] < limit
        assert outlook.would_do > total
    else:
        right = round(outlook.enough * total)
        assert accuracy_interval(right, total, 0.95)[0] >= limit
        assert accuracy_interval(right - 1, total, 0.95)[0] < limit
        assert outlook.would_do <= total
    needed = outlook.would_do
    assert accuracy_interval(needed, needed, 0.95)[0] >= limit
    assert accuracy_interval(needed - 1, needed - 1, 0.95)[0] < limit
    assert "rule" in outlook.message


def test_no_clips_and_a_limit_of_one_can_show_nothing():
    assert foresee_share("rule", 0.5, clips("a", 0), 0.95).enough is None
    outlook = foresee_share("rule", 1.0, clips("a", 1000), 0.95)
    assert (outlook.enough, outlook.would_do) == (None, None)


def test_few_speakers_can_show_less():
    plain = foresee_share("rule", 0.8, clips("ab", 50), 0.95)
    clustered = foresee_share("rule", 0.8, clips("ab", 50, True, speakers=5), 0.95)
    assert plain.enough < clustered.enough
    assert foresee_share("rule", 0.8, clips("ab", 50, True, speakers=2), 0.95).enough is None
    assert foresee_share("rule", 0.6, clips("ab", 50, True, speakers=2), 0.95).enough is not None


def test_slices_are_as_good_as_their_smallest():
    gate = Gate(accuracy=Threshold(at_least=0.8, slices=["label", "snr"]))
    found = parts.gate("classify").foresee(clips("ab", 16), gate.model_dump_json())
    assert [(each.rule, each.clips, each.enough is None) for each in found] == [
        ("gate.accuracy.at_least", 32, False),
        ("gate.accuracy.slices: label", 16, True),  # 16 of 16 begin at 0.794
    ]
    assert parts.gate("classify").foresee(clips("ab", 16), Gate().model_dump_json()) == []


def test_missed_words_are_of_words_alone():
    gate = SpotGate(false_rejects=FalseRejects(at_most=0.2))
    table = clips("ab", 40)
    targets = np.where(table.targets == "a", "_unknown_", "b")
    [outlook] = parts.gate("spot").foresee(
        Unanswered(targets, table.speakers, {"label": targets}, False), gate.model_dump_json()
    )
    assert (outlook.clips, outlook.limit) == (40, 0.8)
