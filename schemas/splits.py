"""The names of splits, and what their clips are for.

A clip of `train` teaches, one of `eval` chooses the best epoch, one of `test` judges. Where a data
set is cross-validated there are folds instead: each of them judges a model that the others taught.
"""

from collections.abc import Iterable

TRAIN, EVAL, TEST = "train", "eval", "test"
SPLITS = (TRAIN, EVAL, TEST)

_FOLD = "fold_"


def fold_names(folds: int) -> list[str]:
    """`fold_1`, `fold_2`, ..."""
    return [f"{_FOLD}{number}" for number in range(1, folds + 1)]


def is_fold(split: str) -> bool:
    """Whether the clips of a split teach some models and judge another."""
    return split.startswith(_FOLD)


def folds_of(splits: Iterable[str]) -> list[str]:
    """Those of the splits that are folds."""
    return [split for split in splits if is_fold(split)]


def teaching(splits: Iterable[str]) -> list[str]:
    """Those of the splits whose clips teach the model that ships."""
    return [split for split in splits if split == TRAIN or is_fold(split)]


def judging(splits: Iterable[str]) -> list[str]:
    """Those of the splits whose clips judge a model that has not heard them."""
    return [split for split in splits if split == TEST or is_fold(split)]
