"""Cells of the confusion matrix lead to clips: which ones, how many, and where."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import scored
from report_page import Page, make_report

from components.evaluation.score_files import SCORES_FILE, read_scores
from components.evaluation.scores import ClipScores
from components.tasks.classify import report
from components.tasks.classify.cells import (
    CLIPS_IN_ALL,
    RIGHT_CLIPS_OF_A_CELL,
    WRONG_CLIPS_OF_A_CELL,
    heard_places,
    most_frequent,
)
from components.tasks.classify.metrics import confusion
from schemas.reports.verdict import Verdict
from schemas.utterance import MUST_PASS


def scores_of(clips: int, classes: int, seed: int = 0, **features: list[str]) -> ClipScores:
    """Random answers to clips of `classes` classes in turn."""
    labels = np.array([f"w{i:02}" for i in range(classes)])
    values = np.random.default_rng(seed).dirichlet(np.ones(classes), clips).astype(np.float32)
    return scored.table(
        ids=[f"c{i}" for i in range(clips)],
        labels=labels[np.arange(clips) % classes],
        features={name: np.array(each) for name, each in features.items()},
        candidate=scored.Answered(labels, values),
    )


def test_the_most_certain_mistakes_and_the_least_certain_right_answers_are_heard() -> None:
    scores = scores_of(400, 3)
    heard = heard_places(scores, None)
    model = scores.candidate
    assert len(heard) == len(set(heard)) == 6 * WRONG_CLIPS_OF_A_CELL + 3 * RIGHT_CLIPS_OF_A_CELL
    for true in np.unique(scores.targets):
        for answer in np.unique(model.answers):
            in_cell = np.flatnonzero((scores.targets == true) & (model.answers == answer))
            found = [place for place in heard if place in in_cell]
            by_score = in_cell[np.argsort(model.confidence[in_cell])]
            is_right = true == answer
            expected = by_score[:2] if is_right else by_score[::-1][:6]
            assert found == expected.tolist()


def test_many_cells_get_one_clip_each_before_any_gets_two() -> None:
    scores = scores_of(20_000, 20)
    heard = heard_places(scores, None)
    cells = {(scores.targets[place], scores.candidate.answers[place]) for place in heard}
    assert len(heard) == len(cells) == CLIPS_IN_ALL
    assert len(heard_places(scores, 4)) == 4 * WRONG_CLIPS_OF_A_CELL


def test_the_most_frequent_confusions_come_first_then_the_larger_share() -> None:
    clips = {("a", "a"): 90, ("a", "b"): 5, ("b", "a"): 5, ("b", "c"): 7, ("c", "a"): 0}
    assert most_frequent(clips) == [("b", "c"), ("b", "a"), ("a", "b")]


def test_clips_that_must_pass_are_not_heard_with_the_others() -> None:
    must_pass = ["true" if i < 50 else "" for i in range(200)]
    places = report.places(scores_of(200, 3, **{MUST_PASS: must_pass}))
    assert places
    assert min(places) >= 50


@pytest.mark.parametrize("clips", [0, 1])
def test_there_may_be_next_to_no_clips(clips: int) -> None:
    assert set(heard_places(scores_of(clips, 3), None)) == set(range(clips))


def test_each_number_of_the_matrix_leads_to_its_own_clips(run_files: Callable) -> None:
    run = run_files(clips=120)
    scores = read_scores(run.root / "scores" / SCORES_FILE)
    file = run.root / "blessing" / "verdict.json"
    verdict = Verdict.model_validate_json(file.read_bytes())
    details = verdict.details.model_copy(update={"confusion": confusion(scores)})
    file.write_text(verdict.model_copy(update={"details": details}).model_dump_json())
    page = Page(make_report(run))
    links = [str(a["href"])[1:] for a in page.all("a") if str(a["href"]).startswith("#cell-")]
    assert set(links) == set(page.cells)
    true, answers = scores.targets, scores.candidate.answers
    cells = {(str(t), str(a)) for t, a in zip(true, answers, strict=True)}
    assert len(page.cells) == len(cells)
    for text in page.cells.values():
        ids = re.findall(r"clips/(test\d+)\.wav", text)
        places = [scores.ids.tolist().index(id_) for id_ in ids]
        assert places
        assert len({(true[place], answers[place]) for place in places}) == 1
        total = int(((true == true[places[0]]) & (answers == answers[places[0]])).sum())
        assert f"{len(places)} of {total} clip" in " ".join(text.split())


def test_a_table_without_scores_that_are_numbers_has_a_page(
    run_files: Callable, make_scores: Callable
) -> None:
    run = run_files()
    scores = make_scores(run.labels, run.rows["test"])
    scores.candidate.confidence[:5] = np.nan
    scored.write(scores, run.root / "scores", files=3)
    assert Page(make_report(run)).cells
