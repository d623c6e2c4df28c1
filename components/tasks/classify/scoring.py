"""What a classifier answered on each clip: an error is a wrong label, of one label a clip."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from components.evaluation.measures import Measure, ShareRight
from components.evaluation.scores import (
    SPEAKER,
    Array,
    ClipScores,
    Coded,
    ModelScores,
    Numbers,
    Texts,
)
from components.tasks.classify.features import GROUPED_BY
from schemas.reports.model_card import ModelCard

MEASURE: Measure = ShareRight("accuracy")
ANSWERS = "label"  # models that answer with the same kind of thing can be compared
_SCORES = "scores"
OUTPUTS = (_SCORES,)


def units(targets: Texts) -> Numbers:
    """One label a clip: [clips]."""
    return np.ones(len(targets))


def judge(targets: Texts, outputs: Mapping[str, Array], card: ModelCard) -> ModelScores:
    """What the model of `card` answered to clips with these labels; `scores` [clips, classes]."""
    return score_labels(targets, np.array(card.labels, np.str_), outputs[_SCORES])


def score_labels(targets: Texts, labels: Texts, scores: NDArray[np.float32]) -> ModelScores:
    """The answer is the label with the highest score; one that is no number is never right."""
    clips = np.arange(len(targets))
    answered = scores.argmax(axis=1) if len(scores) else np.empty(0, np.intp)
    answers = labels[answered]
    is_finite = np.isfinite(scores).all(axis=1)
    is_right = (answers == targets) & is_finite
    return ModelScores(
        answers=Coded.of(answers),
        errors=(~is_right).astype(np.float64),
        is_right=is_right,
        confidence=np.where(is_finite, scores[clips, answered], np.float32(np.nan)),
        merit=_score_of(targets, labels, scores),
        is_known=np.isin(targets, labels),
        outputs={_SCORES: scores},
        names={_SCORES: labels},
    )


def labels_of(model: ModelScores) -> Texts:
    """The classes of a model, in the order of its scores."""
    return model.names[_SCORES]


def scores_of(model: ModelScores) -> NDArray[np.float32]:
    """The scores of all classes: [clips, classes]. Of a table in files they are read here;
    `in_parts` has some of the clips at a time.
    """
    scores: NDArray[np.float32] = model.outputs[_SCORES]
    return scores


def untaught(scores: ClipScores) -> list[str]:
    """Labels of test clips that the candidate was not taught."""
    return sorted(set(scores.targets.distinct()) - set(labels_of(scores.candidate).tolist()))


def bring_up_to_date(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The stored arrays of a table from before tasks had names, as they are stored now."""
    brought = dict(arrays)
    targets = brought["targets"] = brought.pop("labels")
    brought["units"] = units(targets)
    brought["speakers"] = brought.get(f"feature {SPEAKER}", np.full(len(targets), "", np.str_))
    brought[f"feature {GROUPED_BY}"] = targets
    for whose in ("candidate", "baseline"):
        if f"{whose}_scores" not in brought:
            continue
        labels, scores = brought.pop(f"{whose}_labels"), brought.pop(f"{whose}_scores")
        model = score_labels(targets, labels, scores)
        brought |= model.arrays(whose)
    return brought


def _score_of(targets: Texts, labels: Texts, scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """The score of each clip's true label: 0 where the model lacks it, or it is no number."""
    order = np.argsort(labels)
    places = np.searchsorted(labels, targets, sorter=order).clip(max=len(order) - 1)
    classes = order[places]
    found = scores[np.arange(len(targets)), classes]
    is_known = (labels[classes] == targets) & np.isfinite(found)
    return np.where(is_known, found, np.float32(0))
