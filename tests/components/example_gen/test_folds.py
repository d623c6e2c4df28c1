"""Folds keep speakers together, are alike, and what cannot be folded is refused with a cure."""

import random
from collections import Counter

import pytest

from components.example_gen.splits import check_data_set, divide, split_by
from schemas.errors import DataError
from schemas.utterance import Utterance
from schemas.workflow.data import Split
from schemas.workflow.workflow import Workflow

FOLDS = Split(folds=5)


def row(name: str, label: str, speaker: str = "", **more: object) -> Utterance:
    return Utterance(name, f"{name}.wav", "", label, speaker, **more)


def clips(labels: str, each: int) -> list[Utterance]:
    return [row(f"{label}{n}", label) for label in labels for n in range(each)]


def spoken(speakers: str, labels: str, takes: int = 2) -> list[Utterance]:
    return [
        row(f"{s}{label}{n}", label, s) for s in speakers for label in labels for n in range(takes)
    ]


def test_clips_without_speakers_are_divided_evenly_label_by_label():
    divided = divide(clips("abcde", 20), FOLDS)
    assert list(divided) == [f"fold_{n}" for n in range(1, 6)]
    for rows in divided.values():
        assert Counter(each.target for each in rows) == dict.fromkeys("abcde", 4)


def test_every_clip_is_in_one_fold_and_every_speaker_too():
    rows = spoken("uvwxyz", "abc", takes=3) + spoken("k", "abc", takes=40)
    divided = divide(rows, FOLDS)
    assert Counter(each.id for rows in divided.values() for each in rows) == Counter(
        each.id for each in rows
    )
    where = {each.speaker: set() for each in rows}
    for name, members in divided.items():
        for each in members:
            where[each.speaker].add(name)
    assert all(len(found) == 1 for found in where.values())
    assert all(divided.values())
    assert len(divided[where["k"].pop()]) == 120  # the most talkative one alone


def test_the_order_of_rows_changes_nothing_but_their_order():
    rows = spoken("uvwxyz", "abc") + clips("abc", 7)
    mixed = random.Random(1).sample(rows, len(rows))
    one, other = divide(rows, FOLDS), divide(mixed, FOLDS)
    assert {n: {r.id for r in m} for n, m in one.items()} == {
        n: {r.id for r in m} for n, m in other.items()
    }
    assert [r.id for r in divide(sorted(mixed, key=lambda r: r.id), FOLDS)["fold_1"]] == sorted(
        r.id for r in one["fold_1"]
    )


def test_what_must_pass_is_in_no_fold_and_feedback_is():
    hard = row("hard", "a", metadata={"must_pass": True}, split="test")
    field = row("field", "a", split="train")
    divided = divide([*clips("ab", 10), hard, field], FOLDS)
    assert divided["test"] == [hard]
    assert sum(field in rows for rows in divided.values()) == 1
    check_data_set([*clips("ab", 10), hard, field], FOLDS)
    assert split_by([*spoken("uvwxyz", "ab"), field], FOLDS) == "clip"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (spoken("uv", "ab", 9), r"5 folds .*2 speakers \('u', 'v'\).* to 2"),
        (spoken("u", "ab", 9), r"1 speaker \('u'\)"),
        (clips("ab", 1), "5 folds .*2 recordings"),
        ([*spoken("uvwxyz", "ab"), row("x", "c", "u"), row("y", "c", "u")], "'c' has 2 .*'u'"),
        ([*clips("ab", 9), row("x", "c")], "'c' has 1 clip.*x.wav"),
        ([*clips("ab", 9), row("x", "a", split="test")], "manifest .*1 .*test split"),
        (clips("a", 20), "one class"),
    ],
)
def test_what_cannot_be_folded_is_refused_with_a_cure(rows, words):
    with pytest.raises(DataError, match=words):
        check_data_set(rows, FOLDS)


def test_folds_stand_alone_in_a_workflow():
    def workflow(split: dict[str, object], **more: object) -> Workflow:
        document = {"name": "x", "data": {"folder": "x", "split": split}, **more}
        return Workflow.model_validate(document)

    read = workflow({"folds": 5})
    assert read.data.split.folds == 5
    assert Workflow.model_validate_json(read.model_dump_json()) == read  # as history keeps it
    for split in ({"test_speakers": ["ann"]}, {"eval": 0.2}, {"eval_speakers": ["ann"]}):
        with pytest.raises(ValueError, match="folds beside"):
            workflow({"folds": 5} | split)
    for start in ("champion", "both"):
        with pytest.raises(ValueError, match=rf"data\.split\.folds, train\.start: .*{start}"):
            workflow({"folds": 5}, train={"start": start})
    for folds in (1, 0, 21):
        with pytest.raises(ValueError, match="folds"):
            workflow({"folds": folds})
