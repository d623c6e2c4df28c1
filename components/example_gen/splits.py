"""Which split an utterance belongs to, and whether the splits make a data set."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from components.example_gen.folds import check_folds, divide_into_folds
from components.tasks import feeding
from schemas.errors import DataError
from schemas.reports.ingest import SplitBy
from schemas.splits import EVAL, SPLITS, TEST, TRAIN
from schemas.tasks import FIRST_TASK
from schemas.text import nearest, some
from schemas.utterance import Utterance
from schemas.workflow.data import Split


def divide(utterances: Iterable[Utterance], split: Split) -> dict[str, list[Utterance]]:
    """The rows of each split by its name, in the order of the rows; a split may have none.

    With `split.folds` these are folds, else `train`, `eval` and `test`.
    """
    if split.folds:
        return divide_into_folds(utterances, split.folds)
    divided: dict[str, list[Utterance]] = {name: [] for name in SPLITS}
    for row in utterances:
        divided[assign_split(row, split)].append(row)
    return divided


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
    utterances = list(utterances)
    if split.eval_speakers or split.test_speakers:
        return "named speakers"
    if any(row.split for row in utterances) and not split.folds:
        return "manifest"
    return "speaker" if all(row.speaker for row in utterances) else "clip"


def check_data_set(utterances: list[Utterance], split: Split, task: str = FIRST_TASK) -> None:
    """Refuses rows that cannot train and judge a model of a task, with what to do about it.

    Clips that must pass count in no statistics, so they do not count here either.

    Raises:
        DataError: too few classes, one speaker only, a named speaker that is not there, an empty
            split, or a label that one split lacks.
    """
    utterances = [row for row in utterances if not row.is_must_pass]
    is_grouped = feeding.features(task).GROUPED_BY is not None
    if not is_grouped:  # of one group, whatever their targets
        utterances = [replace(row, target="") for row in utterances]
    classes = sorted({row.target for row in utterances})
    if is_grouped:
        feeding.targets(task).check_groups(classes)
    if split.folds:
        check_folds(utterances, split.folds)
        return
    _check_named_speakers(utterances, split)
    labels = _labels_by_split(utterances, split)
    for name in SPLITS:
        if not labels[name] and _is_wanted(name, split):
            raise DataError(_empty_split(name, utterances, split))
    for name in SPLITS:
        lacking = [label for label in classes if label not in labels[name]]
        if labels[name] and lacking:
            raise DataError(_missing_label(name, lacking, labels, utterances, split))


def _labels_by_split(utterances: Iterable[Utterance], split: Split) -> dict[str, Counter[str]]:
    divided = divide(utterances, split)
    return {name: Counter(row.target for row in rows) for name, rows in divided.items()}


def _is_wanted(name: str, split: Split) -> bool:
    shares = {"eval": split.eval_speakers or split.eval, "test": split.test_speakers or split.test}
    return bool(shares.get(name, True))


def _check_named_speakers(utterances: list[Utterance], split: Split) -> None:
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


def _empty_split(name: str, utterances: list[Utterance], split: Split) -> str:
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
    utterances: list[Utterance],
    split: Split,
) -> str:
    elsewhere = [other for other in SPLITS if lacking[0] in labels[other]]
    clips = sum(labels[other][lacking[0]] for other in elsewhere)
    return (
        f"data: the {name} split has no clip of {_some(lacking)}; {lacking[0]!r} has {clips} clips,"
        f" all in {' and '.join(elsewhere)}. You can record more, leave the label out, or"
        f" {_cure(utterances, split)}"
    )


def _cure(utterances: list[Utterance], split: Split) -> str:
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
