"""Writes down each epoch of a training, says how far it is, and stops it when it is time."""

import json
import math
import time
from dataclasses import dataclass

import keras
import tensorflow as tf

from components.storage.location import Location
from components.trainer.checkpoint import Checkpoint
from schemas.errors import AuricleError
from schemas.progress import report_news, report_progress
from schemas.reports.training import HISTORY_FILE, Epoch

_PROGRESS_EVERY_S = 1.0


@dataclass(frozen=True)
class Turn:
    """Where a training stands among several: `steps` of them all, those done before it began, and
    what it is called.
    """

    steps: int
    done: int = 0
    name: str = ""

    @property
    def prefix(self) -> str:
        return f"{self.name}: " if self.name else ""


class Recorder(keras.callbacks.Callback):
    """Of the training of a `checkpoint`, which says whether anything is written."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        metric: str,
        epochs: int,
        steps_per_epoch: int,
        patience: int,
        log_dir: Location,
        turn: Turn,
    ) -> None:
        super().__init__()
        self._checkpoint = checkpoint
        self._metric = metric
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._patience = patience
        self._log_dir = log_dir
        self._turn = turn
        self._writers = {
            split: tf.summary.create_file_writer(str(log_dir / split))
            for split in ("train", "validation")
            if checkpoint.writes
        }
        self._epoch_started = 0.0
        self._reported = 0.0

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if done := len(self._checkpoint.history):
            report_news(f"{self._turn.prefix}going on from epoch {done + 1} of {self._epochs}")

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
        self._checkpoint.add(finished)
        self.write_history()
        judged = finished.val_value
        metric = f"{self._metric} {finished.value:.3f}"
        if judged is not None:
            metric = f"eval {self._metric} {judged:.3f}"
        self._report(0, f"loss {finished.loss:.3f}, {metric}")
        if not self._checkpoint.epochs_left(self._epochs, self._patience):
            self.model.stop_training = True

    def write_history(self) -> None:
        """All epochs that are done, as JSON."""
        if self._checkpoint.writes:
            text = json.dumps([epoch.model_dump() for epoch in self._checkpoint.history], indent=1)
            (self._log_dir / HISTORY_FILE).put(text.encode())

    def _report(self, steps_of_epoch: int, note: str) -> None:
        epochs_done = len(self._checkpoint.history)
        done = self._turn.done + epochs_done * self._steps_per_epoch + steps_of_epoch
        report_progress(done, self._turn.steps, "steps", f"{self._turn.prefix}{note}")
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
        for split, writer in self._writers.items():
            with writer.as_default():
                for name, value in scalars[split].items():
                    if value is not None:
                        tf.summary.scalar(name, value, step=epoch.epoch)
                writer.flush()
