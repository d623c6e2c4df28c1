"""All that the rest of a training depends on, in the model and in one file."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping

import keras
import numpy as np
from numpy.typing import NDArray

from components.storage.location import Location
from schemas.errors import AuricleError
from schemas.reports.training import Epoch

CHECKPOINT_FILE = "training.npz"
# What NumPy, zip and JSON raise of a file that is not what was written.
_DAMAGES = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, struct.error),
    *(NotImplementedError, MemoryError, OverflowError, TypeError),
)


class Checkpoint:
    """The state of a training of `model`, which has its optimizer, and the file that keeps it.

    `history` has the epochs that are done. Nothing is written where not `writes`.
    """

    def __init__(self, model: keras.Model, file: Location, writes: bool = True) -> None:
        self.model = model
        self.writes = writes
        self.history: list[Epoch] = []
        self._file = file
        self._best: list[NDArray[np.generic]] = []

    @property
    def _variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.model.optimizer.variables]

    def epochs_left(self, epochs: int, patience: int) -> int:
        """Epochs that may still come: 0 after `epochs`, or `patience` of them without a better."""
        losses = [epoch.val_loss for epoch in self.history if epoch.val_loss is not None]
        if not losses:
            return epochs - len(self.history)
        since_best = len(losses) - 1 - losses.index(min(losses))
        return 0 if since_best >= patience else epochs - len(self.history)

    def add(self, epoch: Epoch) -> None:
        """Appends a finished epoch and saves the state after it."""
        if self._is_best(epoch):
            self._best = [_to_numpy(variable) for variable in self.model.variables]
        self.history.append(epoch)
        if not self.writes:
            return
        arrays = {
            **{f"variable_{i}": _to_numpy(each) for i, each in enumerate(self._variables)},
            **{f"best_{i}": each for i, each in enumerate(self._best)},
            "history": np.array(json.dumps([each.model_dump() for each in self.history])),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        self._file.put(buffer.getvalue())

    def _is_best(self, epoch: Epoch) -> bool:
        """Whether none before had as low an eval loss; of epochs without one the last is best."""
        losses = [each.val_loss for each in self.history if each.val_loss is not None]
        return epoch.val_loss is None or all(epoch.val_loss < earlier for earlier in losses)

    def restore(self) -> str:
        """Continues from the file, where there is one; a damaged one is set aside, which is said.

        Raises:
            AuricleError: it can neither be read nor set aside.
        """
        try:
            with np.load(io.BytesIO(self._file.read()), allow_pickle=False) as stored:
                self._use(dict(stored))
        except FileNotFoundError:
            return ""
        except _DAMAGES as error:
            return f"{self._set_aside(error)}; training begins anew"
        return ""

    def _use(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Takes all of it or, where something is not as it has to be, nothing."""
        history = [Epoch.model_validate(each) for each in json.loads(str(arrays["history"]))]
        values = [arrays[f"variable_{i}"] for i in range(len(self._variables))]
        best = [arrays[f"best_{i}"] for i in range(len(self.model.variables))]
        for variable, value in zip(self._variables, values, strict=True):
            if tuple(variable.shape) != value.shape:
                raise ValueError(f"a variable of shape {value.shape}, expected {variable.shape}")
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self.history, self._best = history, best

    def _set_aside(self, error: Exception) -> str:
        aside = self._file.parent / f"damaged-{self._file.name}"
        what = f"the checkpoint {self._file} is damaged ({type(error).__name__}: {error})"
        if not self.writes:
            return what
        try:
            self._file.copy_to(aside)
            self._file.delete()
        except OSError as refused:
            raise AuricleError(
                f"{what} and cannot be set aside ({refused.strerror}): delete it and run again"
            ) from error
        return f"{what} and lies in {aside.name} now"

    def use_best(self) -> None:
        """Gives the model the weights of the best epoch."""
        for variable, value in zip(self.model.variables, self._best, strict=True):
            variable.assign(value)


def _to_numpy(variable: keras.Variable) -> NDArray[np.generic]:
    return np.array(keras.ops.convert_to_numpy(variable))
