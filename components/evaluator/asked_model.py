"""An exported model, asked about examples; where it was cross-validated, each by a model of a fold
that has not heard it.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from components.evaluation.fold_models import FoldModels, read_fold_models
from components.evaluation.scores import Array, Texts
from components.saved_model import load_saved_model
from components.storage.location import location_of
from schemas.example import FeatureValue

Outputs = dict[str, Array]


class AskedModel:
    """The SavedModel in the folder `saved_model`, of whose outputs some `names` are wanted.

    It is loaded once, in the process that asks it, wherever the folder is.
    """

    def __init__(self, saved_model: str | Path, names: tuple[str, ...]) -> None:
        place = location_of(saved_model)
        with place.local_copy() as folder:
            loaded = load_saved_model(folder)
        self._loaded = loaded  # a signature alone does not keep its variables alive
        self._names = names
        self._signature = loaded.signatures["serving_examples"]
        self._folds = read_fold_models(place.parent)
        self._weights = threading.Lock()  # one fold's at a time, for all threads that ask
        variables = loaded._model_variables if self._folds else []
        self._variables = [each for each in variables if each.dtype.is_floating]
        self._shipped = [each.numpy() for each in self._variables]

    def unheard(self, examples: Sequence[Mapping[str, FeatureValue]]) -> Texts:
        """The fold of each example whose model has not heard it, [clips]; empty for the model that
        ships.
        """
        if self._folds is None:
            return np.full(len(examples), "", np.str_)
        asked = [self._folds.unheard(each, json.loads(str(each["metadata"]))) for each in examples]
        return np.array(asked, np.str_)

    def answer(self, records: Sequence[bytes], folds: Texts) -> Outputs:
        """Serialized examples -> the outputs, [clips, ...], each by the model of its fold."""
        if self._folds is None:
            return self._ask(records)
        with self._weights:
            return self._answer_by_folds(records, folds, self._folds)

    def _answer_by_folds(
        self, records: Sequence[bytes], folds: Texts, models: FoldModels
    ) -> Outputs:
        answered: Outputs = {}
        for fold in np.unique(folds) if len(folds) else [""]:
            weights = models.weights[fold] if fold else self._shipped
            for variable, values in zip(self._variables, weights, strict=True):
                variable.assign(values)
            places = np.flatnonzero(folds == fold)
            outputs = self._ask([records[place] for place in places])
            for name, values in outputs.items():
                shape = (len(records), *values.shape[1:])
                answered.setdefault(name, np.empty(shape, values.dtype))[places] = values
        return answered

    def _ask(self, records: Sequence[bytes]) -> Outputs:
        import tensorflow as tf

        outputs = self._signature(examples=tf.constant(list(records), tf.string))
        return {name: outputs[name].numpy() for name in self._names}
