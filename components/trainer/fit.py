"""Trains a model to the end, however often it is killed on the way.

After every epoch all that decides the rest (weights, optimizer, random states, best weights so
far, history) goes into one file, under a temporary name and then by a rename. The next call with
the same `checkpoint_dir` continues there and ends with the weights of a training that was never
interrupted.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from components.storage.location import Location, location_of
from components.tasks.feeding import ModelPart
from components.trainer.checkpoint import CHECKPOINT_FILE, Checkpoint
from components.trainer.devices import Devices, sum_over_replicas
from components.trainer.recorder import Recorder, Turn
from components.trainer.together import check_together, train_together
from schemas.progress import report_news
from schemas.reports.training import Epoch

_CLIP_NORM = 1.0  # of all gradients together; what keeps a plain recurrence from exploding
_WARMUP_SHARE = 0.07
_LAST_RATE_SHARE = 0.01


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
    checkpoint_dir: str | Path | Location,
    log_dir: str | Path | Location,
    turn: Turn | None = None,
    devices: Devices | None = None,
    batch_size: int = 0,
) -> list[Epoch]:
    """Trains `model` (waveform -> outputs) in place and leaves it with its best weights.

    The loss and the metric that is reported are those of `part`. Adam with clipped gradients, a
    rate that rises to `learning_rate` and falls along a cosine. Stops after `patience` epochs
    without a lower eval loss; the weights of the lowest are kept. Without an `eval_dataset` all
    epochs are trained, and the weights are those of the last. `make_train(epoch)` gives endless
    batches from that epoch on. Scalars for TensorBoard and `history.json` are written to
    `log_dir`. `turn` says where this training stands among several.

    On several `devices` the model is built under their strategy, `make_train` and `eval_dataset`
    give what `components.trainer.together` takes, of batches of at most `batch_size` clips, and
    only the chief writes.

    Returns:
        All epochs, also those of earlier calls that were interrupted.

    Raises:
        AuricleError: the loss is no longer finite, a damaged checkpoint cannot be set aside, or
            another machine of the training is gone.
    """
    devices = devices or Devices()
    is_alone = devices.replicas == 1
    with devices.strategy.scope():
        schedule = _rate_schedule(learning_rate, epochs * steps_per_epoch)
        kind = keras.optimizers.Adam if is_alone else _SummingAdam
        model.compile(
            optimizer=kind(schedule, global_clipnorm=_CLIP_NORM),
            loss=part.loss(),
            metrics=[part.metric()] if is_alone else [],
            jit_compile=False,  # XLA is slower on CPU, and on GPU excludes cuDNN's LSTM
        )
        # All variables before the first step: one that makes some is traced twice.
        model.optimizer.build(model.trainable_variables)
        if is_alone:
            model.compute_metrics(None, tf.zeros([1]), tf.zeros([1, model.output_shape[-1]]))
    file = location_of(checkpoint_dir) / CHECKPOINT_FILE
    checkpoint = Checkpoint(model, file, writes=devices.is_chief)
    damage = checkpoint.restore()
    turn = turn or Turn(steps=epochs * steps_per_epoch)
    if damage:
        report_news(f"{turn.prefix}{damage}")
    check_together(devices, len(checkpoint.history), str(file))
    recorder = Recorder(
        checkpoint, part.METRIC, epochs, steps_per_epoch, patience, location_of(log_dir), turn
    )
    if checkpoint.epochs_left(epochs, patience):
        done = len(checkpoint.history)
        if is_alone:
            model.fit(
                make_train(done),
                initial_epoch=done,
                epochs=epochs,
                steps_per_epoch=steps_per_epoch,
                validation_data=eval_dataset,
                callbacks=[recorder],
                verbose=0,
            )
        else:
            train_together(
                model,
                make_train(done),
                eval_dataset,
                part,
                devices,
                recorder,
                range(done, epochs),
                batch_size,
            )
    recorder.write_history()
    checkpoint.use_best()
    return checkpoint.history


class _SummingAdam(keras.optimizers.Adam):
    """Adam of gradients of which each replica has its part: they are clipped when they are whole.

    Keras clips the parts and sums them then, which is not what one device does.
    """

    def _clip_gradients(self, grads: list[tf.Tensor]) -> list[tf.Tensor]:
        return super()._clip_gradients(sum_over_replicas(grads))

    def _all_reduce_sum_gradients(
        self, grads_and_vars: list[tuple[tf.Tensor, tf.Variable]]
    ) -> list[tuple[tf.Tensor, tf.Variable]]:
        return grads_and_vars


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
