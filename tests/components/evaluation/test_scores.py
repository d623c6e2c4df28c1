from dataclasses import replace

import numpy as np
import pytest
import scored

from components.evaluation.intervals import Paired
from components.evaluation.score_files import (
    SCORES_FILE,
    drop_clips,
    find_records,
    read_list,
    read_scores,
    write_scores,
)
from components.evaluation.score_summary import DistinctTexts, ScoreSummary
from components.evaluation.scores import lowest
from components.storage.location import location_of

ONE = scored.Answered(np.array(["no", "yes"]), np.array([[0.9, 0.1]], np.float32))


def _bytes_of(file):
    with np.load(file) as stored:
        return b"".join(values.tobytes() for values in stored.values())


def table(baseline=True):
    ours = scored.Answered(
        np.array(["no", "yes"]),
        np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, 0.5], [0.6, 0.4]], np.float32),
    )
    theirs = scored.Answered(
        np.array(["yes", "up", "no"]),
        np.array([[0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.9, 0, 0.1], [0.1, 0.8, 0.1]], np.float32),
    )
    return scored.table(
        ids=np.array(["a", "b", "c", "d"]),
        labels=np.array(["no", "yes", "yes", "up"]),
        features={"speaker": np.array(["ann", "", "zoë", "ann"])},
        unsliced={"text": 1000},
        candidate=ours,
        baseline=theirs if baseline else None,
    )


@pytest.mark.parametrize("baseline", [True, False])
def test_a_table_written_is_the_table_read(tmp_path, baseline):
    scores = table(baseline)
    write_scores(scores, tmp_path / "new" / "test.npz")
    scored.check_same(read_scores(tmp_path / "new" / "test.npz"), scores)


@pytest.mark.parametrize("files", [1, 3, 6])
@pytest.mark.parametrize("baseline", [True, False])
def test_a_table_is_the_same_in_however_many_files(tmp_path, baseline, files):
    """Of six files two are of no clips."""
    scores = table(baseline)
    read = read_scores(scored.write(scores, tmp_path, files))
    scored.check_same(read, scores)
    scored.check_same(read.select(np.array([3, 0, 2])), scores.select(np.array([3, 0, 2])))
    chosen = scores.targets == "yes"
    scored.check_same(read.select(chosen).select(np.array([1])), scores.select(np.array([2])))
    assert list(read.ids) == ["a", "b", "c", "d"]
    assert (read.ids[2], read.ids[np.array([3, 1])].tolist()) == ("c", ["d", "b"])
    assert [part.ids.tolist() for part in read.in_parts()] == [["a", "b", "c", "d"]]


def test_a_feature_that_clips_of_one_file_lack_is_empty_there(tmp_path):
    summary = ScoreSummary()
    for number, features in enumerate([{"room": "a"}, {}, {"room": "b", "dialect": "x"}]):
        columns = {name: np.array([value]) for name, value in features.items()}
        part = scored.table([str(number)], ["no"], columns, candidate=ONE)
        write_scores(part, tmp_path / f"test-{number}.npz")
        summary = summary.joined(ScoreSummary.of((number, 0), f"test-{number}.npz", part, []))
    listed = summary.listed("label", has_baseline=False, incomparable="")
    (tmp_path / SCORES_FILE).write_text(listed.model_dump_json())
    read = read_scores(tmp_path / SCORES_FILE)
    assert {name: texts.tolist() for name, texts in read.features.items()} == {
        "label": ["no", "no", "no"],
        "dialect": ["", "", "x"],
        "room": ["a", "", "b"],
    }
    assert summary.values["room"].count == 3


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", b"{}"])
def test_a_file_that_is_no_table_is_refused(tmp_path, damage):
    listed = scored.write(table(), tmp_path, files=2)
    next(tmp_path.glob("*.npz")).write_bytes(damage)
    with pytest.raises(ValueError, match="test-00000-00000"):
        read_scores(listed)
    listed.write_bytes(damage)
    with pytest.raises(ValueError):
        read_scores(listed)


def test_a_file_that_is_gone_is_said(tmp_path):
    listed = scored.write(table(), tmp_path, files=2)
    next(tmp_path.glob("*.npz")).unlink()
    with pytest.raises(FileNotFoundError):
        read_scores(listed)


def test_clips_that_are_dropped_are_in_no_file_nor_their_texts(tmp_path):
    listed = scored.write(table(), tmp_path, files=3)
    assert drop_clips(tmp_path, {"c"})
    assert find_records(location_of(listed), [0]) == {}  # the examples are rewritten, too
    read = read_scores(listed)
    assert read.ids.tolist() == ["a", "b", "d"]
    assert "zoë" not in read.features["speaker"].values
    assert not any("zoë".encode("utf-32-le") in _bytes_of(f) for f in tmp_path.glob("*.npz"))
    assert not drop_clips(tmp_path, {"c"})
    write_scores(read_scores(next(tmp_path.glob("test-00001*"))), tmp_path / "test-00000-00000.npz")
    assert drop_clips(tmp_path, {"c"})  # a kill before the list was written
    assert read_list(listed).clips == len(read_scores(listed))


def test_damaged_files_are_dropped_whole(tmp_path):
    scored.write(table(), tmp_path, files=3)
    (tmp_path / "background.npz").write_bytes(b"of no clip")
    next(tmp_path.glob("test-00001*")).write_bytes(b"")
    assert drop_clips(tmp_path, {"c"})
    assert [file.name for file in tmp_path.iterdir()] == ["background.npz"]


def test_texts_are_counted_exactly_and_then_nearly():
    texts = [f"t{n}" for n in range(65_000)]
    half = DistinctTexts.of(texts[:40_000])
    assert half.joined(DistinctTexts.of(texts[20_000:])).count == 65_000
    many = DistinctTexts.of(f"m{n}" for n in range(300_000))
    assert many.hashes.nbytes <= 2**19
    assert many.joined(half).count == pytest.approx(340_000, rel=0.02)


def test_the_lowest_are_those_of_plain_sorting():
    values = np.random.default_rng(1).choice([0.0, 0.5, 1.0, np.nan], 200).astype(np.float32)
    for count in (0, 1, 60, 199, 200, 300):
        expected = np.argsort(values, kind="stable")[:count]
        assert lowest(values, count).tolist() == expected.tolist()
    chosen = values > 0
    inside = np.flatnonzero(chosen)
    expected = inside[np.argsort(values[inside], kind="stable")][:9]
    assert lowest(values, 9, chosen).tolist() == expected.tolist()


def test_no_number_and_no_such_class_are_never_right():
    scores = table()
    assert scores.candidate.is_right.tolist() == [True, True, False, False]
    np.testing.assert_allclose(scores.candidate.merit, [0.9, 0.8, 0.5, 0.0], rtol=1e-6)
    np.testing.assert_allclose(scores.baseline.merit, [0.8, 0.1, 0.9, 0.8], rtol=1e-6)


def paired(scores, chosen):
    pairs = scores.pairs(chosen)
    return Paired.of(pairs.errors == 0, pairs.others == 0)


def test_models_are_compared_on_the_labels_both_know():
    scores = table()
    assert paired(scores, np.ones(4, bool)) == Paired(1, 1, 1, 0)
    assert paired(scores, scores.features["speaker"] == "ann") == Paired(both=1)
    assert table(baseline=False).is_shared.tolist() == [False] * 4


def test_a_table_without_clips():
    model = scored.Answered(np.array(["no", "yes"]), np.empty((0, 2), np.float32))
    scores = scored.table([], [], candidate=model)
    assert scores.candidate.answers.tolist() == scores.candidate.merit.tolist() == []


def test_clips_that_must_pass_are_not_counted():
    scores = table()
    assert scores.counted is scores
    assert not scores.is_must_pass.any()
    hard = replace(
        scores,
        features={
            **scores.features,
            "must_pass": np.array(["", "true", "", "true"]),
            "origin": np.array(["", "field", "", "field"]),
        },
    )
    assert hard.is_must_pass.tolist() == [False, True, False, True]
    counted = hard.counted
    assert counted.ids.tolist() == ["a", "c"]
    assert counted.targets.tolist() == ["no", "yes"]
    assert {name: v.tolist() for name, v in counted.features.items()} == {
        "label": ["no", "yes"],
        "speaker": ["ann", "zoë"],
    }
    np.testing.assert_equal(counted.candidate.merit, scores.candidate.merit[[0, 2]])
    assert counted.baseline is not None
    np.testing.assert_equal(
        counted.baseline.outputs["scores"], scores.baseline.outputs["scores"][[0, 2]]
    )
