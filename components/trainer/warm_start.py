"""The weights of an exported model, put into a model of ours to train on from them.

They are the SavedModel's own variables, which lie there by name and in the order of `weights` of
the Keras model: nothing is kept beside them, and whatever was published once can be started from.
Name, order and shape of each have to be the same, so that none lands where only the shape is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from components.saved_model import load_saved_model
from components.storage.location import location_of
from components.tasks import parts
from components.tasks.feeding import ModelPart
from components.versions.manifest import digest_model
from components.versions.model_card import read_card
from schemas.reports.model_card import ModelCard
from schemas.workflow.training import TrainingSettings

_HEAD = "logits"  # the last layer, whose last axis is what the model answers
_MAY_DIFFER = ("dropout",)  # of the blocks that give weights their meaning
_COUNTER = re.compile(r"_\d+(?=/|$)")  # Keras counts the layers of a process: conv2d_7


@dataclass(frozen=True)
class Champion:
    """A model to start from: `weights` by plain name, in order, without states of generators.

    `digest` is the SHA-256 by which manifests and the ledger know it.
    """

    card: ModelCard
    digest: str
    weights: list[tuple[str, NDArray[np.float32]]]


def read_champion(directory: str) -> Champion:
    """The champion whose SavedModel lies in `directory`, a path or a URI.

    Raises:
        OSError: there is no SavedModel.
        pydantic.ValidationError: its card is not what `schemas.reports` says.
    """
    place = location_of(directory)
    with place.local_copy() as folder:
        variables = load_saved_model(folder)._model_variables
    return Champion(
        card=read_card(place),
        digest=digest_model(place),
        weights=[
            (_plain_name(variable.name), variable.numpy())
            for variable in variables
            if variable.dtype.is_floating
        ],
    )


def find_misfit(
    champion: Champion, settings: TrainingSettings, task: str, model: keras.Model
) -> str:
    """Why `model` of a `task`, built from the blocks of `settings`, cannot start from the champion.

    Empty where it can. Other labels are no reason, nor is a setting that the champion's card does
    not have yet.
    """
    card = champion.card
    if parts.scoring(card.task).ANSWERS != parts.scoring(task).ANSWERS:
        return f"task was {card.task!r} and is {task!r}"
    compared = {
        "audio": (card.audio, settings.audio),
        "frontend": (card.frontend, settings.frontend),
        "model": (card.model, settings.model),
    }
    changed = [
        f"{block}.{key} was {getattr(was, key)!r} and is {getattr(now, key)!r}"
        for block, (was, now) in compared.items()
        for key in type(now).model_fields
        if key not in _MAY_DIFFER
        and key in was.model_fields_set
        and getattr(was, key) != getattr(now, key)
    ]
    if changed:
        return ", ".join(changed)
    ours = [(_plain_name(each.path), _body_shape(each.path, each.shape)) for each in model.weights]
    theirs = [(name, _body_shape(name, value.shape)) for name, value in champion.weights]
    return "" if ours == theirs else "its layers are not those of this version of the code"


def carry_weights(
    champion: Champion, model: keras.Model, labels: Sequence[str], part: ModelPart
) -> None:
    """Gives `model`, which answers `labels`, all weights of a champion that fits.

    The statistics of normalisation are among them. The task's `part` says what becomes of the last
    layer, whose labels may be others.
    """
    known = champion.card.labels
    for weight, (name, value) in zip(model.weights, champion.weights, strict=True):
        if _is_head(name):
            ours = np.array(keras.ops.convert_to_numpy(weight))
            weight.assign(part.carry_head(ours, value, labels, known))
        else:
            weight.assign(value)


def _body_shape(name: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Without the labels, which may be others."""
    return tuple(shape)[:-1] if _is_head(name) else tuple(shape)


def _is_head(name: str) -> bool:
    return name.startswith(f"{_HEAD}/")


def _plain_name(name: str) -> str:
    return _COUNTER.sub("", name.partition(":")[0])
