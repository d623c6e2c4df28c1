"""Which split an utterance belongs to, and whether the splits make a data set."""

import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from components.example_gen.folds import check_folds, fold_of
from components.example_gen.row_file import picked
from components.tasks import feeding
from schemas.errors import DataError
from schemas.reports.ingest import SplitBy
from schemas.splits import EVAL, SPLITS, TEST, TRAIN, fold_names
from schemas.tasks import FIRST_TASK
from schemas.text import nearest, some
from schemas.utterance import Utterance
from schemas.workflow.data import Split


def divide(utterances: Sequence[Utterance], split: Split) -> dict[str, Sequence[Utterance]]:
    """The rows of each split by its name, in the order of the rows; a split may have none.

    With `split.folds` these are folds, else `train`, `eval` and `test`.
    """
    numbers = numbers_by_split(utterances, split)
    return {name: picked(utterances, found) for name, found in numbers.items()}


def numbers_by_split(utterances: Sequence[Utterance], split: Split) -> dict[str, np.ndarray]:
    """The numbers of the rows that `divide` gives, from 0: int64 [rows of the split]."""
    if split.folds:
        names, assign = fold_names(split.folds), fold_of(utterances, split.folds)
    else:
        names, assign = list(SPLITS), functools.partial(assign_split, split=split)
    codes = {name: code for code, name in enumerate(names)}
    own = np.fromiter((codes.setdefault(assign(row), len(codes)) for row in utterances), np.int16)
    return {name: np.flatnonzero(own == code) for name, code in codes.items()}


def assign_split(utterance: Utterance, split: Split) -> str:
    """`train`, `eval` or `test`, without a look at other rows.

    Clips that must pass are tests. Named speakers go where they are named, rows that say their
    split go there. All others are hashed, so that they stay where they are as data grows; nobody is
    hashed into a split that has names.
    """
    if utterance.is_must_pass:
        return TEST
    if utterance.speaker and utterance.speaker in split.test_speakers:
        return TEST
    if utterance.speaker and utterance.speaker in split.eval_speakers:
        return EVAL
    if utterance.split:
        return utterance.split
    test_share = 0.0 if split.test_speakers else split.test
    eval_share = 0.0 if split.eval_speakers else split.eval
    position = hash_unit(utterance.split_key)
    if position < test_share:
        return TEST
    return EVAL if position < test_share + eval_share else TRAIN


def hash_unit(key: str) -> float:
    """A number in [0, 1) that depends on nothing but the key: the top 53 bits of its SHA-256."""
    return (int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 11) / (1 << 53)


def split_by(utterances: Iterable[Utterance], split: Split) -> SplitBy:
    """What kept splits apart. `clip`, which can leak a voice, as soon as one row has no speaker."""
    if split.eval_speakers or split.test_speakers:
        return "named speakers"
    by_manifest, by_speaker = False, True
    for row in utterances:
        by_manifest = by_manifest or bool(row.split)
        by_speaker = by_speaker and bool(row.speaker)
    if by_manifest and not split.folds:
        return "manifest"
    return "speaker" if by_speaker else "clip"


def check_data_set(utterances: Iterable[Utterance], split: Split, task: str = FIRST_TASK) -> None:
    """Refuses rows that cannot train and judge a model of a task, with what to do about it.

    Clips that must pass count in no statistics, so they do not count here either.

    Raises:
        DataError: too few classes, one speaker only, a named speaker that is not there, an empty
            split, or a label that one split lacks.
    """
    rows = _Counted(utterances, feeding.features(task).GROUPED_BY is not None)
    labels = _labels_by_split(rows, Split() if split.folds else split)
    classes = sorted(set().union(*labels.values()))
    if rows.is_grouped:
        feeding.targets(task).check_groups(classes)
    if split.folds:
        check_folds(rows, split.folds)
        return
    _check_named_speakers(rows, split)
    for name in SPLITS:
        if not labels[name] and _is_wanted(name, split):
            raise DataError(_empty_split(name, rows, split))
    for name in SPLITS:
        lacking = [label for label in classes if label not in labels[name]]
        if labels[name] and lacking:
            raise DataError(_missing_label(name, lacking, labels, rows, split))


class _Counted:
    """The rows that statistics count, each time they are asked for; of one group, whatever their
    targets, where targets form no groups.
    """

    def __init__(self, rows: Iterable[Utterance], is_grouped: bool) -> None:
        self._rows, self.is_grouped = rows, is_grouped

    def __iter__(self) -> Iterator[Utterance]:
        for row in self._rows:
            if not row.is_must_pass:
                yield row if self.is_grouped else replace(row, target="")


def _labels_by_split(rows: Iterable[Utterance], split: Split) -> dict[str, Counter[str]]:
    labels = {name: Counter[str]() for name in SPLITS}
    for row in rows:
        labels[assign_split(row, split)][row.target] += 1
    return labels


def _is_wanted(name: str, split: Split) -> bool:
    shares = {"eval": split.eval_speakers or split.eval, "test": split.test_speakers or split.test}
    return bool(shares.get(name, True))


def _check_named_speakers(utterances: Iterable[Utterance], split: Split) -> None:
    if not (split.eval_speakers or split.test_speakers):
        return
    known = sorted({row.speaker for row in utterances if row.speaker})
    for key in ("eval_speakers", "test_speakers"):
        for name in getattr(split, key):
            if name not in known:
                if not known:
                    raise DataError(f"data.split.{key}: {name!r}, but no row names a speaker")
                near = nearest(name, known)
                raise DataError(
                    f"data.split.{key}: no speaker {name!r} in the data; nearest name: {near!r}"
                )
    if both := sorted(set(split.eval_speakers) & set(split.test_speakers)):
        raise DataError(f"data.split: {', '.join(both)} in eval_speakers and in test_speakers")


def _empty_split(name: str, utterances: Iterable[Utterance], split: Split) -> str:
    keys = sorted({row.split_key for row in utterances})
    unit = "recording" if split_by(utterances, split) == "clip" else "speaker"
    if len(keys) == 1 and unit == "speaker":
        return (
            f"data: one speaker only ({keys[0]}), so the {name} split is empty: nobody is left to"
            " judge the model on. Add recordings of other speakers, or leave `speaker` out of the"
            " manifest to split by clip"
        )
    if name == "train":
        return (
            f"data.split: no {unit} is left for the train split (of {len(keys)}). Name fewer in"
            " data.split.eval_speakers and data.split.test_speakers, or lower the shares"
        )
    return (
        f"data.split: none of the {len(keys)} {unit}s ({_some(keys)}) fell into the {name} split."
        f" You can {_cure(utterances, split)}"
    )


def _missing_label(
    name: str,
    lacking: list[str],
    labels: dict[str, Counter[str]],
    utterances: Iterable[Utterance],
    split: Split,
) -> str:
    elsewhere = [other for other in SPLITS if lacking[0] in labels[other]]
    clips = sum(labels[other][lacking[0]] for other in elsewhere)
    return (
        f"data: the {name} split has no clip of {_some(lacking)}; {lacking[0]!r} has {clips} clips,"
        f" all in {' and '.join(elsewhere)}. You can record more, leave the label out, or"
        f" {_cure(utterances, split)}"
    )


def _cure(utterances: Iterable[Utterance], split: Split) -> str:
    """What would give every split every label."""
    by_name = "choose who goes where with data.split.eval_speakers and data.split.test_speakers"
    if split.eval_speakers or split.test_speakers:
        return by_name
    cures = [by_name] if split_by(utterances, split) == "speaker" else []
    classes = {row.target for row in utterances}
    for share in (0.1, 0.15, 0.2, 0.25, 0.3):
        other = Split(eval=share, test=share)
        if all(found.keys() == classes for found in _labels_by_split(utterances, other).values()):
            shares = f"set both data.split.eval and data.split.test to {share:g}"
            return " or ".join([*cures, f"{shares}, with which every split has every label"])
    return " or ".join([*cures, "add recordings"])


def _some(names: list[str]) -> str:
    return some([repr(name) for name in names], 8)
