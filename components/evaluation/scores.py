"""What models answered on every clip of a split: the table that all judgements are made from.

An error is of the task's own kind, and so is the unit: a wrong label of one label, edits of a
transcript's words, decibels of one estimate.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.storage.location import location_of
from schemas.tasks import FIRST_TASK, load_part
from schemas.utterance import MUST_PASS

SCORES_FILE = "test.npz"
SPEAKER = "speaker"
_FEATURE, _OUTPUT, _NAMES = "feature ", "output ", "names "
_BY_CLIP = ("answers", "errors", "is_right", "confidence", "merit", "is_known")

Texts = NDArray[np.str_]
Numbers = NDArray[np.float64]
Chosen = NDArray[np.bool_]  # of which clips, [clips]
Places = NDArray[np.intp]
Array = NDArray[Any]  # of a type that the reader knows, not the file: outputs, stored tables


@dataclass(frozen=True)
class ModelScores:
    """What one model answered; all arrays are [clips].

    Attributes:
        answers: as text.
        errors: in the task's units; finite, also where the answer is no number.
        is_right: whether the answer would do for a clip that must pass.
        confidence: the model's own in its answer; NaN where what it answered is no number.
        merit: how near the answer came to the target; the lowest are the worst clips.
        is_known: whether the model was taught what the target asks for.
        outputs: what its signature answered, by name, [clips, ...].
        names: of the columns of an output, where they have some, by the output's name.
    """

    answers: Texts
    errors: Numbers
    is_right: Chosen
    confidence: NDArray[np.float32]
    merit: NDArray[np.float32]
    is_known: Chosen
    outputs: Mapping[str, Array]
    names: Mapping[str, Texts]

    @property
    def is_finite(self) -> Chosen:
        """Of which clips the model answered with numbers."""
        finite: Chosen = np.isfinite(self.confidence)
        return finite

    def select(self, chosen: Chosen | Places) -> "ModelScores":
        """What it answered on some of the clips."""
        outputs = {name: values[chosen] for name, values in self.outputs.items()}
        by_clip = {name: getattr(self, name)[chosen] for name in _BY_CLIP}
        return replace(self, outputs=outputs, **by_clip)

    def arrays(self, whose: str) -> dict[str, Array]:
        """As they are stored, under names that begin with `whose`."""
        return {
            **{f"{whose} {name}": getattr(self, name) for name in _BY_CLIP},
            **{f"{whose} {_OUTPUT}{name}": values for name, values in self.outputs.items()},
            **{f"{whose} {_NAMES}{name}": values for name, values in self.names.items()},
        }


@dataclass(frozen=True)
class Sample:
    """Errors of one model on some clips, with their units and speakers; all arrays are [clips].

    `is_clustered` where clips of one speaker are not taken for independent.
    """

    errors: Numbers
    units: Numbers
    speakers: Texts
    is_clustered: bool = False


@dataclass(frozen=True)
class Pairs:
    """Errors of two models on the same clips, the candidate's and those it is compared with."""

    errors: Numbers
    others: Numbers
    units: Numbers
    speakers: Texts
    is_clustered: bool = False

    def __len__(self) -> int:
        return len(self.errors)

    def select(self, chosen: Chosen) -> "Pairs":
        """Some of the clips."""
        return replace(
            self,
            errors=self.errors[chosen],
            others=self.others[chosen],
            units=self.units[chosen],
            speakers=self.speakers[chosen],
        )


@dataclass(frozen=True)
class ClipScores:
    """One row a clip, in the order in which they are stored; all arrays are [clips].

    `targets` are as text, `units` what errors are counted of. `speakers` are empty where unknown.
    `features` are what clips are sliced by, by name; empty where unknown. `unsliced` are features
    that have too many values, with how many. `incomparable` says why the last blessed model could
    not be asked these clips; then it is no baseline. `folds` names the model of a cross-validation
    that was asked, which has not heard the clip; empty where it was the model that ships.
    """

    ids: Texts
    targets: Texts
    units: Numbers
    speakers: Texts
    folds: Texts
    features: dict[str, Texts]
    unsliced: dict[str, int]
    candidate: ModelScores
    baseline: ModelScores | None
    incomparable: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_cross_validated(self) -> bool:
        """Whether models of folds were asked."""
        return bool((self.folds != "").any())

    @property
    def everything(self) -> Chosen:
        """All clips."""
        return np.ones(len(self), np.bool_)

    @property
    def is_must_pass(self) -> Chosen:
        """Of which clips every model has to be right."""
        if MUST_PASS not in self.features:
            return ~self.everything
        must_pass: Chosen = self.features[MUST_PASS] == "true"
        return must_pass

    @property
    def counted(self) -> "ClipScores":
        """The clips that statistics are made of: all but those that must pass, which are chosen for
        being hard; without features that only those have.
        """
        if MUST_PASS not in self.features:
            return self
        counted = self.select(~self.is_must_pass)
        features = {name: values for name, values in counted.features.items() if any(values)}
        return replace(counted, features=features)

    def select(self, chosen: Chosen | Places) -> "ClipScores":
        """The table of some of its clips."""
        return replace(
            self,
            ids=self.ids[chosen],
            targets=self.targets[chosen],
            units=self.units[chosen],
            speakers=self.speakers[chosen],
            folds=self.folds[chosen],
            features={name: values[chosen] for name, values in self.features.items()},
            candidate=self.candidate.select(chosen),
            baseline=self.baseline and self.baseline.select(chosen),
        )

    @property
    def is_shared(self) -> Chosen:
        """Of which clips both models know the target; of none without a baseline."""
        if self.baseline is None:
            return ~self.everything
        return self.candidate.is_known & self.baseline.is_known

    def sample(self, chosen: Chosen) -> Sample:
        """The candidate's errors on the `chosen` clips."""
        return Sample(
            self.candidate.errors[chosen],
            self.units[chosen],
            self.speakers[chosen],
            self.is_cross_validated,
        )

    def pairs(self, chosen: Chosen) -> Pairs:
        """How both models answered those of the `chosen` clips whose target both know."""
        assert self.baseline is not None
        chosen = chosen & self.is_shared
        return Pairs(
            self.candidate.errors[chosen],
            self.baseline.errors[chosen],
            self.units[chosen],
            self.speakers[chosen],
            self.is_cross_validated,
        )


def write_scores(scores: ClipScores, file: Path) -> None:
    """Writes the table as compressed numpy arrays."""
    arrays = {
        "ids": scores.ids,
        "targets": scores.targets,
        "units": scores.units,
        "speakers": scores.speakers,
        "folds": scores.folds,
        "incomparable": np.array(scores.incomparable, np.str_),
        "unsliced_names": np.array(list(scores.unsliced), np.str_),
        "unsliced_values": np.array(list(scores.unsliced.values()), np.int64),
        **{f"{_FEATURE}{name}": values for name, values in scores.features.items()},
        **scores.candidate.arrays("candidate"),
    }
    if scores.baseline is not None:
        arrays |= scores.baseline.arrays("baseline")
    write_arrays(arrays, file)


def write_arrays(arrays: Mapping[str, Array], file: Path) -> None:
    """Writes compressed numpy arrays by name."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    location_of(file).put(buffer.getvalue())


def read_scores(file: Path) -> ClipScores:
    """The table that `write_scores` wrote, now or before tasks had names.

    Raises:
        OSError: it is not there.
        ValueError: it is another file.
    """
    try:
        with np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if "labels" in arrays:
        arrays = load_part(FIRST_TASK, "scoring").bring_up_to_date(arrays)
    if "targets" not in arrays:
        raise ValueError(f"{file} is no table of scores")
    unsliced = zip(
        arrays["unsliced_names"].tolist(), arrays["unsliced_values"].tolist(), strict=True
    )
    return ClipScores(
        ids=arrays["ids"],
        targets=arrays["targets"],
        units=arrays["units"],
        speakers=arrays["speakers"],
        folds=arrays.get("folds", np.full(len(arrays["ids"]), "", np.str_)),
        features=_below(arrays, _FEATURE),
        unsliced=dict(unsliced),
        candidate=_model(_below(arrays, "candidate ")),
        baseline=_model(_below(arrays, "baseline ")) if "baseline errors" in arrays else None,
        incomparable=str(arrays["incomparable"]),
    )


def _model(arrays: dict[str, Array]) -> ModelScores:
    return ModelScores(
        outputs=_below(arrays, _OUTPUT),
        names=_below(arrays, _NAMES),
        **{name: arrays[name] for name in _BY_CLIP},
    )


def _below(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
