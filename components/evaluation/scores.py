"""What models answered on every clip of a split: the table that all judgements are made from."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.evaluation.intervals import Paired
from schemas.utterance import MUST_PASS

SCORES_FILE = "test.npz"
_FEATURE = "feature "

Texts = NDArray[np.str_]


@dataclass(frozen=True)
class ModelScores:
    """`scores` float32 [clips, classes] of one model, whose classes are `labels`, in this order."""

    labels: Texts
    scores: NDArray[np.float32]

    @property
    def is_finite(self) -> NDArray[np.bool_]:
        """Of which clips all scores are numbers: bool [clips]."""
        finite: NDArray[np.bool_] = np.isfinite(self.scores).all(axis=1)
        return finite

    @property
    def answers(self) -> Texts:
        """The label of the highest score of each clip."""
        if not len(self.scores):
            return np.empty(0, self.labels.dtype)
        answers: Texts = self.labels[self.scores.argmax(axis=1)]
        return answers

    def score_of(self, labels: Texts) -> NDArray[np.float32]:
        """The score of each clip's true label: 0 where the model lacks it, or it is no number."""
        order = np.argsort(self.labels)
        places = np.searchsorted(self.labels, labels, sorter=order).clip(max=len(order) - 1)
        classes = order[places]
        scores = self.scores[np.arange(len(labels)), classes]
        is_known = (self.labels[classes] == labels) & np.isfinite(scores)
        return np.where(is_known, scores, np.float32(0))


@dataclass(frozen=True)
class ClipScores:
    """One row a clip, in the order in which they are stored; all arrays are [clips].

    `features` are what clips are sliced by besides their label, by name; empty where unknown.
    `unsliced` are features that have too many values, with how many. `incomparable` says why the
    last blessed model could not be asked these clips; then it is no baseline.
    """

    ids: Texts
    labels: Texts
    features: dict[str, Texts]
    unsliced: dict[str, int]
    candidate: ModelScores
    baseline: ModelScores | None
    incomparable: str = ""

    @property
    def is_must_pass(self) -> NDArray[np.bool_]:
        """Of which clips every model has to be right."""
        if MUST_PASS not in self.features:
            return np.zeros(len(self.labels), np.bool_)
        must_pass: NDArray[np.bool_] = self.features[MUST_PASS] == "true"
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

    def select(self, chosen: NDArray[np.bool_]) -> "ClipScores":
        """The table of some of its clips."""
        candidate = replace(self.candidate, scores=self.candidate.scores[chosen])
        baseline = self.baseline and replace(self.baseline, scores=self.baseline.scores[chosen])
        return replace(
            self,
            ids=self.ids[chosen],
            labels=self.labels[chosen],
            features={name: values[chosen] for name, values in self.features.items()},
            candidate=candidate,
            baseline=baseline,
        )

    def is_right(self, model: ModelScores) -> NDArray[np.bool_]:
        """Whether the model's highest score is that of the true label."""
        right: NDArray[np.bool_] = (model.answers == self.labels) & model.is_finite
        return right

    @property
    def is_shared(self) -> NDArray[np.bool_]:
        """Whether both models know the true label; no clip without a baseline."""
        if self.baseline is None:
            return np.zeros(len(self.labels), np.bool_)
        known: NDArray[np.bool_] = np.isin(self.labels, self.candidate.labels) & np.isin(
            self.labels, self.baseline.labels
        )
        return known

    def paired(self, chosen: NDArray[np.bool_]) -> Paired:
        """How both models answered those of the `chosen` clips whose label both know."""
        assert self.baseline is not None
        chosen = chosen & self.is_shared
        ours, theirs = self.is_right(self.candidate)[chosen], self.is_right(self.baseline)[chosen]
        return Paired(
            both=int((ours & theirs).sum()),
            only_candidate=int((ours & ~theirs).sum()),
            only_baseline=int((~ours & theirs).sum()),
            neither=int((~ours & ~theirs).sum()),
        )


def write_scores(scores: ClipScores, file: Path) -> None:
    """Writes the table as compressed numpy arrays."""
    arrays = {
        "ids": scores.ids,
        "labels": scores.labels,
        "candidate_labels": scores.candidate.labels,
        "candidate_scores": scores.candidate.scores,
        "incomparable": np.array(scores.incomparable, np.str_),
        "unsliced_names": np.array(list(scores.unsliced), np.str_),
        "unsliced_values": np.array(list(scores.unsliced.values()), np.int64),
        **{f"{_FEATURE}{name}": values for name, values in scores.features.items()},
    }
    if scores.baseline is not None:
        arrays["baseline_labels"] = scores.baseline.labels
        arrays["baseline_scores"] = scores.baseline.scores
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **arrays)


def read_scores(file: Path) -> ClipScores:
    """The table that `write_scores` wrote.

    Raises:
        OSError: it is not there.
        ValueError: it is another file.
    """
    with np.load(file, allow_pickle=False) as arrays:
        has_baseline = "baseline_scores" in arrays
        return ClipScores(
            ids=arrays["ids"],
            labels=arrays["labels"],
            features={
                name.removeprefix(_FEATURE): arrays[name]
                for name in arrays.files
                if name.startswith(_FEATURE)
            },
            unsliced=dict(
                zip(
                    arrays["unsliced_names"].tolist(),
                    arrays["unsliced_values"].tolist(),
                    strict=True,
                )
            ),
            candidate=ModelScores(arrays["candidate_labels"], arrays["candidate_scores"]),
            baseline=(
                ModelScores(arrays["baseline_labels"], arrays["baseline_scores"])
                if has_baseline
                else None
            ),
            incomparable=str(arrays["incomparable"]),
        )
