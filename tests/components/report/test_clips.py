"""Which clips are picked, against plain sorting."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import scored

from components.evaluation.scores import ClipScores
from components.pages.clips import (
    ScoredClip,
    named_places,
    read_clips,
    sample_clips,
    worst_places,
)
from components.tasks.classify.features import decode_target
from components.tasks.classify.report import mistake_places

LABELS = ["no", "yes"]


def scores_of(rows: list) -> ClipScores:
    """The score of `no` is the clip's rms_db."""
    first = np.array([row.rms_db for row in rows], np.float32)
    return scored.table(
        ids=np.array([row.id for row in rows], np.str_),
        labels=np.array([row.label for row in rows], np.str_),
        candidate=scored.Answered(np.array(LABELS), np.stack([first, 1 - first], axis=1)),
    )


def worst_clips(files: list[Path], scores: ClipScores, count: int) -> list[ScoredClip]:
    places = worst_places(scores, count)
    clips = read_clips(files, scores, places)
    return [clips[place] for place in places]


def test_worst_clips_are_those_with_the_lowest_true_score(row, records_file) -> None:
    rng = np.random.default_rng(3)
    rows = [
        row(f"c{i}", LABELS[i % 2], "ann", float(np.float32(rng.uniform()))) for i in range(700)
    ]
    worst = worst_clips([records_file(rows)], scores_of(rows), 12)
    true = {r.id: r.rms_db if r.label == "no" else 1 - r.rms_db for r in rows}
    assert [s.clip.id for s in worst] == sorted(true, key=true.__getitem__)[:12]
    for each in worst:
        assert each.merit == np.float32(true[each.clip.id])
        assert each.answer != each.clip.target
        assert not each.is_right
        assert each.confidence == np.float32(1 - np.float32(true[each.clip.id]))


def test_equal_scores_keep_the_order_of_the_files(row, records_file) -> None:
    rows = [row(f"c{i}", "no", "", 0.5) for i in range(6)]
    worst = worst_clips([records_file(rows)], scores_of(rows), 3)
    assert [s.clip.id for s in worst] == ["c0", "c1", "c2"]


def test_untaught_labels_and_nan_come_first(row, records_file) -> None:
    rows = [row("a", "no", "", 0.1), row("b", "zebra", "", 0.9), row("c", "yes", "", float("nan"))]
    worst = worst_clips([records_file(rows)], scores_of(rows), 2)
    assert [(s.clip.id, s.merit) for s in worst] == [("b", 0.0), ("c", 0.0)]


def test_of_no_clips_none_is_worst() -> None:
    assert worst_clips([], scores_of([]), 2) == []


def test_of_each_class_the_most_confident_mistake(row, records_file) -> None:
    # The score of `no` is rms_db, so `no` is answered wrong below a half and `yes` above it.
    given = [("no", 0.1), ("yes", 0.9), ("no", 0.3), ("yes", 0.95), ("yes", 0.2), ("no", 0.8)]
    rows = [row(f"c{i}", label, "", score) for i, (label, score) in enumerate(given)]
    scores = scores_of(rows)
    assert mistake_places(scores, 24) == [3, 0]
    assert mistake_places(scores, 1) == [3]
    found = read_clips([records_file(rows)], scores, [3, 0])
    assert {place: each.clip.id for place, each in found.items()} == {0: "c0", 3: "c3"}
    assert found[3].confidence == np.float32(0.95)


def test_clips_are_found_by_their_ids(row) -> None:
    scores = scores_of([row(f"c{i}", "no", "", 0.5) for i in range(12)])
    assert named_places(scores, ["c11", "c1", "gone"]) == [1, 11]
    assert named_places(scores, []) == []


def test_samples_are_of_different_speakers_where_there_are(
    row, records_file: Callable[..., Path]
) -> None:
    speakers = {"no": ["ann", "ann", "ann", "bo", "cy", "di"], "yes": ["ann"] * 5, "up": [""] * 5}
    rows = [
        row(f"{label}{i}", label, speaker, 0.0)
        for label, names in speakers.items()
        for i, speaker in enumerate(names)
    ]
    found = sample_clips([records_file(rows)], ["no", "yes", "up", "gone"], 3, decode_target)
    assert {label: [c.id for c in clips] for label, clips in found.items()} == {
        "no": ["no0", "no3", "no4"],
        "yes": ["yes0", "yes1", "yes2"],
        "up": ["up0", "up1", "up2"],
        "gone": [],
    }
