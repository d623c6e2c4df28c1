"""The score below which a classifier's answer is taken for none of its labels."""

import numpy as np
import pytest
from scored import Answered, case, table

from components.tasks.classify.config import Gate
from components.tasks.classify.details import Details
from components.tasks.classify.gate import judge
from schemas.reports.model_card import ModelCard


def judged(right: int, wrong: int = 0) -> Details:
    """The details of a verdict on clips with scores evenly from 0.5 to 1 of those that are right,
    and of 0.51 of those that are not.
    """
    scores = np.linspace(0.5, 1.0, right).tolist() + [0.49] * wrong
    rows = np.array([[score, 1 - score] for score in scores], np.float32)
    labels = ["go"] * len(rows)
    found = table(range(len(rows)), labels, candidate=Answered(np.array(["go", "no"]), rows))
    details = judge(case(found), Gate().model_dump_json(), is_sound=True).details
    assert isinstance(details, Details)
    return details


def test_it_is_a_low_quantile_of_the_right_answers() -> None:
    assert judged(101).none_below == pytest.approx(0.51)  # 2 of 100 steps from 0.5 to 1
    assert judged(101, wrong=300).none_below == judged(101).none_below


def test_few_clips_have_none() -> None:
    assert judged(49, wrong=300).none_below is None
    assert judged(50).none_below is not None


def test_the_published_card_has_it() -> None:
    card = ModelCard(
        name="words",
        labels=["go", "_unknown_"],
        audio={},
        frontend={},
        model={},
        parameters=1,
        generated=False,
    )
    assert [card.is_none("go", 0.1), card.is_none("_unknown_", 0.9)] == [None, True]
    card = judged(101).complete_card(card)
    assert card.none_below == judged(101).none_below
    assert [card.is_none("go", 0.505), card.is_none("go", 0.515)] == [True, False]
