"""The models of a cross-validation: their weights, and which clips each of them has not heard.

They lie beside the SavedModel of the model that ships, in one file. All have the variables of that
SavedModel, so that its graph with the weights of a fold answers as that fold's model did.
"""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.evaluation.score_files import write_arrays
from components.storage.location import Location, location_of
from schemas.example import FeatureValue
from schemas.utterance import is_must_pass

FOLDS_FILE = "folds.npz"
_DIGEST_DIGITS = 32

Weights = Sequence[NDArray[np.float32]]  # of all variables that are floats, in their order


@dataclass(frozen=True)
class FoldModels:
    """`weights` by the name of the fold that judges them; `fold_of` a group of clips, a speaker's
    or a recording's, by the digest of its key.
    """

    weights: Mapping[str, Weights]
    fold_of: Mapping[str, str]

    def without(self, split_key: str) -> "FoldModels":
        """The same, which knows nothing of a group; whose clips were all forgotten is not asked."""
        gone = group_digest(split_key)
        known = {group: fold for group, fold in self.fold_of.items() if group != gone}
        return replace(self, fold_of=known)

    def unheard(self, example: Mapping[str, FeatureValue], metadata: Mapping[str, object]) -> str:
        """The fold whose model has not heard the clip; empty for the model that ships, which has
        not heard the clips of unknown groups and those that have to pass.
        """
        if is_must_pass(metadata):
            return ""
        return self.fold_of.get(group_digest(str(example["split_key"])), "")


def group_digest(split_key: str) -> str:
    """Stands for a speaker or a recording. Who guesses a name can tell that it is in: `forget`
    takes them out.
    """
    return hashlib.sha256(split_key.encode()).hexdigest()[:_DIGEST_DIGITS]


def write_fold_models(models: FoldModels, folder: str | Path) -> None:
    """Writes them beside the SavedModel in `folder`."""
    arrays: dict[str, NDArray[np.generic]] = {
        f"{name} {number}": values
        for name, weights in models.weights.items()
        for number, values in enumerate(weights)
    }
    names = list(models.weights)
    arrays["folds"] = np.array(names, np.str_)
    arrays["groups"] = np.array(list(models.fold_of), np.str_)
    arrays["fold_of"] = np.array([names.index(name) for name in models.fold_of.values()], np.int64)
    write_arrays(arrays, location_of(folder) / FOLDS_FILE)


def read_fold_models(folder: Path | Location) -> FoldModels | None:
    """Those beside the SavedModel in `folder`; None where it was not cross-validated."""
    file = location_of(folder) / FOLDS_FILE
    if not file.is_present():
        return None
    with np.load(io.BytesIO(file.read()), allow_pickle=False) as stored:
        arrays = dict(stored)
    names: list[str] = arrays["folds"].tolist()
    weights = {name: list(_numbered(arrays, name)) for name in names}
    folds = [names[place] for place in arrays["fold_of"].tolist()]
    return FoldModels(weights, dict(zip(arrays["groups"].tolist(), folds, strict=True)))


def _numbered(
    arrays: Mapping[str, NDArray[np.float32]], name: str
) -> Iterator[NDArray[np.float32]]:
    number = 0
    while (key := f"{name} {number}") in arrays:
        yield arrays[key]
        number += 1
