"""What a table of very many clips weighs where a model is judged."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scored

from components.evaluation.coded import Coded
from components.evaluation.score_files import read_scores
from components.evaluation.scores import ClipScores
from components.model_gate.decision import decide
from components.tasks.classify.config import Gate
from components.tasks.classify.curves import detection_errors
from components.tasks.classify.report import places
from schemas.reports.verdict import Verdict

CLIPS, CLASSES, SPEAKERS = 100_000, 20, 2_000
LETTERS = 24  # of an id: numpy's texts would be 96 bytes a clip


def table() -> ClipScores:
    rng = np.random.default_rng(3)
    labels = np.array([f"word {n:02}" for n in range(CLASSES)])
    true = rng.integers(0, CLASSES, CLIPS)
    speakers = np.array([f"speaker {n:04}" for n in range(SPEAKERS)])

    def model() -> scored.Answered:
        logits = rng.normal(size=(CLIPS, CLASSES)).astype(np.float32)
        logits[np.arange(CLIPS), true] += 3
        exponents = np.exp(logits)
        return scored.Answered(labels, exponents / exponents.sum(axis=1, keepdims=True))

    return scored.table(
        ids=[f"{n:0{LETTERS}}" for n in range(CLIPS)],
        labels=labels[true],
        features={
            "speaker": speakers[rng.integers(0, SPEAKERS, CLIPS)],
            "snr": np.array(["below 10 dB", "10 to 20 dB"])[rng.integers(0, 2, CLIPS)],
        },
        candidate=model(),
        baseline=model(),
    )


def judged(scores: ClipScores) -> Verdict:
    """Without the slices by speaker, of whom there are too many."""
    columns = {name: texts for name, texts in scores.features.items() if name != "speaker"}
    scores = ClipScores(**(vars(scores) | {"features": columns}))
    gate = Gate(accuracy={"at_least": 0.5, "slices": ["snr"], "no_worse_by_more_than": 0.01})
    case = scored.case(scores)
    return decide(case, scores, task="classify", settings=gate.model_dump_json())


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipScores, Path]:
    scores = table()
    return scores, scored.write(scores, tmp_path_factory.mktemp("scores"), files=8)


def bytes_held(value: object) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, Coded):
        return value.codes.nbytes + value.values.nbytes
    if isinstance(value, dict):
        return sum(map(bytes_held, value.values()))
    return sum(map(bytes_held, vars(value).values())) if hasattr(value, "errors") else 0


def test_a_table_in_files_is_held_in_few_bytes_a_clip(tables: tuple[ClipScores, Path]) -> None:
    tracemalloc.start()
    try:
        scores = read_scores(tables[1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    held = bytes_held(vars(scores))
    assert held / CLIPS < 60
    assert peak < 2 * held + 10_000_000
    assert bytes_held(vars(tables[0])) / CLIPS > 300  # with ids and outputs of both models


def test_the_verdict_and_the_clips_to_hear_are_those_of_the_table(
    tables: tuple[ClipScores, Path],
) -> None:
    whole, read = tables[0], read_scores(tables[1])
    assert judged(read) == judged(whole)
    assert places(read) == places(whole)
    ours, theirs = detection_errors(read), detection_errors(whole)
    np.testing.assert_array_equal(ours.false_rejects, theirs.false_rejects)
    assert ours.equal_error_rate == theirs.equal_error_rate
