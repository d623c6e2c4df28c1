"""What models answered on every clip of a split: the table that all judgements are made from.

An error is of the task's own kind, and so is the unit: a wrong label of one label, edits of a
transcript's words, decibels of one estimate.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from components.evaluation.coded import Chosen, Coded, Places, Texts
from components.evaluation.stored_columns import Array, StoredOutputs, StoredTexts
from schemas.utterance import MUST_PASS

__all__ = ["Array", "Chosen", "Coded", "Numbers", "Places", "Texts"]

SPEAKER = "speaker"
OUTPUT, NAMES = "output ", "names "  # begin the names of what is stored of a model's outputs
_BY_CLIP = ("answers", "errors", "is_right", "confidence", "merit", "is_known")
_CLIPS_AT_ONCE = 100_000

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class ModelScores:
    """What one model answered; all arrays are [clips].

    Attributes:
        answers: as text; any array of texts will do to make one.
        errors: in the task's units; finite, also where the answer is no number.
        is_right: whether the answer would do for a clip that must pass.
        confidence: the model's own in its answer; NaN where what it answered is no number.
        merit: how near the answer came to the target; the lowest are the worst clips.
        is_known: whether the model was taught what the target asks for.
        outputs: what its signature answered, by name, [clips, ...]; of a table in files each is
            read when it is asked for.
        names: of the columns of an output, where they have some, by the output's name.
    """

    answers: Coded
    errors: Numbers
    is_right: Chosen
    confidence: NDArray[np.float32]
    merit: NDArray[np.float32]
    is_known: Chosen
    outputs: Mapping[str, Array]
    names: Mapping[str, Texts]

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", Coded.of(self.answers))

    @property
    def is_finite(self) -> Chosen:
        """Of which clips the model answered with numbers."""
        finite: Chosen = np.isfinite(self.confidence)
        return finite

    def select(self, chosen: Chosen | Places) -> "ModelScores":
        """What it answered on some of the clips."""
        outputs: Mapping[str, Array]
        if isinstance(self.outputs, StoredOutputs):
            outputs = self.outputs.select(chosen)
        else:
            outputs = {name: values[chosen] for name, values in self.outputs.items()}
        by_clip = {name: getattr(self, name)[chosen] for name in _BY_CLIP}
        return replace(self, outputs=outputs, **by_clip)

    def arrays(self, whose: str) -> dict[str, Array]:
        """As they are stored, under names that begin with `whose`."""
        return {
            **{f"{whose} {name}": np.asarray(getattr(self, name)) for name in _BY_CLIP},
            **{f"{whose} {OUTPUT}{name}": values for name, values in self.outputs.items()},
            **{f"{whose} {NAMES}{name}": values for name, values in self.names.items()},
        }


@dataclass(frozen=True)
class Sample:
    """Errors of one model on some clips, with their units and speakers; all arrays are [clips].

    `is_clustered` where clips of one speaker are not taken for independent.
    """

    errors: Numbers
    units: Numbers
    speakers: Coded | Texts
    is_clustered: bool = False


@dataclass(frozen=True)
class Pairs:
    """Errors of two models on the same clips, the candidate's and those it is compared with."""

    errors: Numbers
    others: Numbers
    units: Numbers
    speakers: Coded | Texts
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

    Texts may be given as any array of texts. What is held of a clip are some 30 bytes of each model
    and 20 besides (docs/scale.md): ids and outputs of a table in files are read when asked for.
    """

    ids: Texts | StoredTexts
    targets: Coded
    units: Numbers
    speakers: Coded
    folds: Coded
    features: dict[str, Coded]
    unsliced: dict[str, int]
    candidate: ModelScores
    baseline: ModelScores | None
    incomparable: str = ""

    def __post_init__(self) -> None:
        for name in ("targets", "speakers", "folds"):
            object.__setattr__(self, name, Coded.of(getattr(self, name)))
        coded = {name: Coded.of(texts) for name, texts in self.features.items()}
        object.__setattr__(self, "features", coded)

    def __len__(self) -> int:
        return len(self.units)

    @property
    def is_cross_validated(self) -> bool:
        """Whether models of folds were asked."""
        return any(self.folds.distinct())

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
        features = {
            name: texts for name, texts in counted.features.items() if any(texts.distinct())
        }
        return replace(counted, features=features)

    def select(self, chosen: Chosen | Places) -> "ClipScores":
        """The table of some of its clips."""
        return replace(
            self,
            ids=(
                self.ids.select(chosen) if isinstance(self.ids, StoredTexts) else self.ids[chosen]
            ),
            targets=self.targets[chosen],
            units=self.units[chosen],
            speakers=self.speakers[chosen],
            folds=self.folds[chosen],
            features={name: values[chosen] for name, values in self.features.items()},
            candidate=self.candidate.select(chosen),
            baseline=self.baseline and self.baseline.select(chosen),
        )

    def in_parts(self) -> Iterator["ClipScores"]:
        """Some clips at a time, in order: for who needs the outputs of all."""
        for start in range(0, len(self), _CLIPS_AT_ONCE):
            yield self.select(np.arange(start, min(start + _CLIPS_AT_ONCE, len(self))))

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


def lowest(values: NDArray[np.floating], count: int, chosen: Chosen | None = None) -> Places:
    """The places of the `count` lowest of the `chosen` values, or of all; the lowest first, and of
    equal ones the first. NaN is the highest.
    """
    places = np.arange(len(values)) if chosen is None else np.flatnonzero(chosen)
    values = values[places]
    if count < len(values):
        worst = np.partition(values, count - 1)[count - 1]
        is_low = ~(values > worst) if not np.isnan(worst) else np.ones(len(values), np.bool_)
        places, values = places[is_low], values[is_low]
    ordered: Places = places[np.argsort(values, kind="stable")][:count]
    return ordered
