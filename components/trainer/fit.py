"""Trains a model to the end, however often it is killed on the way.

After every epoch all that decides the rest (weights, optimizer, random states, best weights so
far, history) goes into one file, under a temporary name and then by a rename. The next call with
the same `checkpoint_dir` continues there and ends with the weights of a training that was never
interrupted.
"""

import io
import json
import math
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.storage.location import location_of
from components.tasks.feeding import ModelPart
from schemas.errors import AuricleError
from schemas.progress import report_news, report_progress
from schemas.reports.training import HISTORY_FILE, Epoch

_CHECKPOINT_FILE = "training.npz"
_CLIP_NORM = 1.0  # of all gradients together; what keeps a plain recurrence from exploding
_WARMUP_SHARE = 0.07
_LAST_RATE_SHARE = 0.01
_PROGRESS_EVERY_S = 1.0
# What NumPy, zip and JSON raise of a file that is not what was written.
_DAMAGES = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, struct.error),
    *(NotImplementedError, MemoryError, OverflowError, TypeError),
)


@dataclass(frozen=True)
class Turn:
    """Where a training stands among several: `steps` of them all, those done before it began, and
    what it is called.
    """

    steps: int
    done: int = 0
    name: str = ""


def strategy(devices: list[str] | None = None) -> tf.distribute.Strategy:
    """How training is spread over `devices` (all GPUs if not given): mirrored over two or more."""
    if devices is None:
        devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(devices) > 1:
        return tf.distribute.MirroredStrategy(devices)
    return tf.distribute.get_strategy()


def precision() -> str:
    """The Keras dtype policy of this machine: mixed where every GPU is fast at it, or float32."""
    capabilities = [
        tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return _precision_of(capabilities)


def _precision_of(capabilities: list[tuple[int, int]]) -> str:
    slowest = min(capabilities, default=(0, 0))
    if slowest >= (8, 0):  # Ampere
        return "mixed_bfloat16"
    if slowest >= (7, 0):  # Volta, Turing: tensor cores for float16 only
        return "mixed_float16"
    return "float32"


def fit(
    model: keras.Model,
    make_train: Callable[[int], tf.data.Dataset],
    eval_dataset: tf.data.Dataset | None,
    part: ModelPart,
    *,
    epochs: int,
    steps_per_epoch: int,
    learning_rate: float,
    patience: int,
    checkpoint_dir: str | Path,
    log_dir: str | Path,
    turn: "Turn | None" = None,
) -> list[Epoch]:
    """Trains `model` (waveform -> outputs) in place and leaves it with its best weights.

    The loss and the metric that is reported are those of `part`. Adam with clipped gradients, a
    rate that rises to `learning_rate` and falls along a cosine. Stops after `patience` epochs
    without a lower eval loss; the weights of the lowest are kept. Without an `eval_dataset` all
    epochs are trained, and the weights are those of the last. `make_train(epoch)` gives endless
    batches from that epoch on. Scalars for TensorBoard and `history.json` are written to
    `log_dir`. Build the model under `strategy().scope()`. `turn` says where this training stands
    among several.

    Returns:
        All epochs, also those of earlier calls that were interrupted.

    Raises:
        AuricleError: the loss is no longer finite, or a damaged checkpoint cannot be set aside.
    """
    with model.distribute_strategy.scope():
        optimizer = keras.optimizers.Adam(
            _rate_schedule(learning_rate, epochs * steps_per_epoch), global_clipnorm=_CLIP_NORM
        )
        model.compile(
            optimizer=optimizer,
            loss=part.loss(),
            metrics=[part.metric()],
            jit_compile=False,  # XLA is slower on CPU, and on GPU excludes cuDNN's LSTM
        )
        # All variables before the first step: one that makes some is traced twice.
        model.optimizer.build(model.trainable_variables)
        model.compute_metrics(None, tf.zeros([1]), tf.zeros([1, model.output_shape[-1]]))
    state = _State(model, Path(checkpoint_dir) / _CHECKPOINT_FILE)
    damage = state.restore()
    turn = turn or Turn(steps=epochs * steps_per_epoch)
    if damage:
        report_news(f"{turn.name}: {damage}" if turn.name else damage)
    recorder = _Recorder(state, part.METRIC, epochs, steps_per_epoch, patience, Path(log_dir), turn)
    if state.epochs_left(epochs, patience):
        model.fit(
            make_train(len(state.history)),
            initial_epoch=len(state.history),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=eval_dataset,
            callbacks=[recorder],
            verbose=0,
        )
    _write_history(state.history, Path(log_dir))
    state.use_best()
    return state.history


def _rate_schedule(
    learning_rate: float, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup_steps = max(1, round(total_steps * _WARMUP_SHARE))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=learning_rate * _LAST_RATE_SHARE,
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=max(1, total_steps - warmup_steps),
        alpha=_LAST_RATE_SHARE,
    )


class _State:
    """All that the rest of a training depends on, in the model and in one file."""

    def __init__(self, model: keras.Model, path: Path) -> None:
        self.model = model
        self.history: list[Epoch] = []
        self._path = path
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
        arrays = {
            **{f"variable_{i}": _to_numpy(each) for i, each in enumerate(self._variables)},
            **{f"best_{i}": each for i, each in enumerate(self._best)},
            "history": np.array(json.dumps([each.model_dump() for each in self.history])),
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        location_of(self._path).put(buffer.getvalue())

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
            with self._path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
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
        aside = self._path.with_name(f"damaged-{self._path.name}")
        what = f"the checkpoint {self._path} is damaged ({type(error).__name__}: {error})"
        try:
            self._path.replace(aside)
        except OSError as refused:
            raise AuricleError(
                f"{what} and cannot be set aside ({refused.strerror}): delete it and run again"
            ) from error
        return f"{what} and lies in {aside.name} now"

    def use_best(self) -> None:
        """Gives the model the weights of the best epoch."""
        for variable, value in zip(self.model.variables, self._best, strict=True):
            variable.assign(value)


class _Recorder(keras.callbacks.Callback):
    """Writes down each epoch, says how far training is, and stops it when it is time."""

    def __init__(
        self,
        state: _State,
        metric: str,
        epochs: int,
        steps_per_epoch: int,
        patience: int,
        log_dir: Path,
        turn: Turn,
    ) -> None:
        super().__init__()
        self._state = state
        self._metric = metric
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._patience = patience
        self._log_dir = log_dir
        self._turn = turn
        self._prefix = f"{turn.name}: " if turn.name else ""
        self._writers = {
            split: tf.summary.create_file_writer(str(log_dir / split))
            for split in ("train", "validation")
        }
        self._epoch_started = 0.0
        self._reported = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if done := len(self._state.history):
            report_news(f"{self._prefix}going on from epoch {done + 1} of {self._epochs}")

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._epoch_started = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if time.monotonic() - self._reported >= _PROGRESS_EVERY_S:
            self._report(batch + 1, f"loss {(logs or {})['loss']:.3f}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        metrics = logs or {}
        if not all(math.isfinite(value) for value in metrics.values()):
            raise AuricleError(
                f"the loss is no longer finite in epoch {epoch + 1}; lower train.learning_rate"
            )
        finished = Epoch(
            epoch=epoch + 1,
            loss=metrics["loss"],
            metric=self._metric,
            value=metrics[self._metric],
            val_loss=metrics.get("val_loss"),
            val_value=metrics.get(f"val_{self._metric}"),
            learning_rate=float(self.model.optimizer.learning_rate),
            seconds=time.monotonic() - self._epoch_started,
        )
        self._write_scalars(finished)
        self._state.add(finished)
        _write_history(self._state.history, self._log_dir)
        judged = finished.val_value
        metric = f"{self._metric} {finished.value:.3f}"
        if judged is not None:
            metric = f"eval {self._metric} {judged:.3f}"
        self._report(0, f"loss {finished.loss:.3f}, {metric}")
        if not self._state.epochs_left(self._epochs, self._patience):
            self.model.stop_training = True

    def _report(self, steps_of_epoch: int, note: str) -> None:
        epochs_done = len(self._state.history)
        done = self._turn.done + epochs_done * self._steps_per_epoch + steps_of_epoch
        report_progress(done, self._turn.steps, "steps", f"{self._prefix}{note}")
        self._reported = time.monotonic()

    def _write_scalars(self, epoch: Epoch) -> None:
        # The names that Keras's own TensorBoard callback uses, so the charts look familiar.
        scalars: dict[str, dict[str, float | None]] = {
            "train": {
                "epoch_loss": epoch.loss,
                f"epoch_{epoch.metric}": epoch.value,
                "epoch_learning_rate": epoch.learning_rate,
            },
            "validation": {
                "epoch_loss": epoch.val_loss,
                f"epoch_{epoch.metric}": epoch.val_value,
            },
        }
        for split, values in scalars.items():
            with self._writers[split].as_default():
                for name, value in values.items():
                    if value is not None:
                        tf.summary.scalar(name, value, step=epoch.epoch)
                self._writers[split].flush()


def _to_numpy(variable: keras.Variable) -> NDArray[np.generic]:
    return np.array(keras.ops.convert_to_numpy(variable))


def _write_history(history: list[Epoch], log_dir: Path) -> None:
    text = json.dumps([epoch.model_dump() for epoch in history], indent=1)
    location_of(log_dir / HISTORY_FILE).put(text.encode())
