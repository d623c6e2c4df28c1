import hashlib

import pytest

from components.example_gen.splits import assign_split, check_data_set, hash_unit, split_by
from schemas.errors import DataError
from schemas.utterance import Utterance
from schemas.workflow.data import Split


def _rows(speakers, labels=("no", "yes")):
    return [
        Utterance(f"{speaker}-{label}", f"{speaker}-{label}.wav", "", label, speaker)
        for speaker in speakers
        for label in labels
    ]


SPEAKERS = [f"speaker {number}" for number in range(1000)]


def test_hash_is_sha256_as_a_fraction():
    exact = int(hashlib.sha256(b"theo").hexdigest(), 16) / 2**256
    assert hash_unit("theo") == pytest.approx(exact, abs=2**-52)
    assert 0 <= hash_unit("theo") < 1


def test_shares_are_met_and_speakers_stay_together():
    split = Split(eval=0.1, test=0.2)
    found = {}
    for row in _rows(SPEAKERS):
        found.setdefault(row.speaker, set()).add(assign_split(row, split))
    assert all(len(splits) == 1 for splits in found.values())
    names = [next(iter(splits)) for splits in found.values()]
    assert names.count("test") == pytest.approx(200, abs=40)  # three standard deviations
    assert names.count("eval") == pytest.approx(100, abs=30)


def test_known_positions_decide():
    rows = {row.speaker: row for row in _rows(SPEAKERS)}
    for speaker, row in rows.items():
        position = hash_unit(speaker)
        expected = "test" if position < 0.2 else "eval" if position < 0.3 else "train"
        assert assign_split(row, Split(eval=0.1, test=0.2)) == expected


def test_named_speakers_take_precedence_and_nobody_is_hashed_beside_them():
    split = Split(test_speakers=["speaker 1"], eval=0.5)
    where = {row.speaker: assign_split(row, split) for row in _rows(SPEAKERS)}
    assert [speaker for speaker, name in where.items() if name == "test"] == ["speaker 1"]
    assert 400 < list(where.values()).count("eval") < 600
    both = Split(test_speakers=["speaker 1"], eval_speakers=["speaker 2", "speaker 3"])
    where = {row.speaker: assign_split(row, both) for row in _rows(SPEAKERS)}
    assert [s for s, name in where.items() if name != "train"] == SPEAKERS[1:4]


def test_rows_that_say_their_split_go_there_unless_their_speaker_is_named():
    row = Utterance("a", "a.wav", "", "yes", "ada", split="eval")
    assert assign_split(row, Split(eval=0.0, test=0.9)) == "eval"
    assert assign_split(row, Split(test_speakers=["ada"])) == "test"
    assert split_by([row], Split()) == "manifest"


def test_as_data_grows_nobody_moves():
    before = {row.id: assign_split(row, Split()) for row in _rows(SPEAKERS[:100])}
    after = {row.id: assign_split(row, Split()) for row in _rows(SPEAKERS[::-1])}
    assert before.items() <= after.items()


def test_without_a_speaker_the_recording_is_hashed():
    pieces = [Utterance(f"a.wav@{n}", "a.wav", "", "yes", offset_s=n) for n in range(50)]
    assert len({assign_split(piece, Split(eval=0.3, test=0.3)) for piece in pieces}) == 1


def test_report_says_what_kept_splits_apart():
    rows = _rows(["a", "b"])
    assert split_by(rows, Split()) == "speaker"
    assert split_by([*rows, Utterance("c", "c", "", "yes")], Split()) == "clip"
    assert split_by(rows, Split(test_speakers=["a"])) == "named speakers"


def test_a_proper_data_set_passes():
    check_data_set(_rows(SPEAKERS), Split())
    check_data_set(_rows("abc"), Split(eval_speakers=["a"], test_speakers=["b"]))
    check_data_set(_rows("ab"), Split(eval=0.0, test_speakers=["b"]))


NAMED = Split(eval_speakers=["a"], test_speakers=["b"])


@pytest.mark.parametrize(
    "rows, split, words",
    [
        (_rows(SPEAKERS, ["yes"]), Split(), r"one class only \(yes\); expected at least two"),
        ([], Split(), "one class"),
        (_rows(["theo"]), Split(), r"\(theo\)"),
        (_rows(["a", "c"]), NAMED, "'b'.* '.'$"),
        (
            _rows(["theo", "george"]),
            Split(test_speakers=["goerge"]),
            "data.split.test_speakers: .*'goerge'.* 'george'",
        ),
        (_rows([""]), NAMED, "speaker"),
        (_rows("ab"), Split(eval_speakers=["a"], test_speakers=["a"]), "a .*eval_speakers"),
        (_rows("ab"), NAMED, "train"),
        (
            _rows("abc"),
            Split(eval=0.001),
            r"3 .*\('a', 'b', 'c'\)",
        ),
        (
            [*_rows("abc"), Utterance("x", "x", "", "maybe", "b")],
            NAMED,
            "train .*'maybe'; 'maybe' .*1 .*test",
        ),
        (
            [*_rows("abc"), Utterance("x", "x", "", "maybe", "c")],
            NAMED,
            "eval .*'maybe'",
        ),
    ],
)
def test_what_cannot_be_a_data_set_is_refused_with_a_cure(rows, split, words):
    with pytest.raises(DataError, match=words):
        check_data_set(rows, split)


def test_shares_that_would_do_are_named():
    rows = [Utterance(f"{n}.wav", f"{n}.wav", "", f"label {n % 10}") for n in range(200)]
    with pytest.raises(DataError, match=r"data\.split\.eval .*data\.split\.test .*0\.") as e:
        check_data_set(rows, Split(eval=0.02, test=0.02))
    assert "speakers" not in str(e.value)
    share = float(str(e.value).split(" to ")[1].split(",")[0])
    check_data_set(rows, Split(eval=share, test=share))


def test_what_must_pass_tests_whoever_says_it_and_counts_in_no_check():
    hard = Utterance("h", "h", "", "maybe", "ann", split="train", metadata={"must_pass": True})
    assert assign_split(hard, Split(eval_speakers=["ann"])) == "test"
    rows = [*_rows(["ann", "bob", "cyd"]), hard]
    named = Split(eval_speakers=["bob"], test_speakers=["cyd"])
    check_data_set(rows, named)  # `maybe` is in no other split
    plain = Utterance("h", "h", "", "maybe", "ann")
    with pytest.raises(DataError, match="maybe"):
        check_data_set([*rows, plain], named)
