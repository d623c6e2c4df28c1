"""Trains one model on several devices, of one machine or of several, as one device would.

Keras's own `fit` knows no strategy of several machines, takes the mean of each device's mean, and
draws the same random numbers on each. Here every step is that of one device with the whole batch:
each replica works on its own rows of it (`components.models.shared_batch`), gradients are summed
before they are clipped, and loss and metric are those of all rows. All workers come to the same
numbers, and so to the same decisions.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from components.models.shared_batch import BatchPart, working_on
from components.tasks.feeding import ModelPart
from components.trainer.devices import Devices, are_same, naming_who_is_gone, sum_over_replicas
from components.trainer.recorder import Recorder
from schemas.errors import AuricleError

END = -1
_BLOCK = 8  # batches of a worker in memory, after which workers agree how many more there are


class Rows(NamedTuple):
    """A worker's rows of a batch: those from number `first` on, int32, of `total`.

    After the last of an epoch comes one whose `first` is `END`, and whose rows are of no account.
    """

    inputs: tf.Tensor | tuple[tf.Tensor, tf.Tensor]
    target: tf.Tensor
    first: tf.Tensor
    total: tf.Tensor


Outcome = tuple[
    tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor
]  # sum of losses, clips, targets, outputs


def check_together(devices: Devices, epochs_done: int, file: str) -> None:
    """Every worker has to go on from the same epoch.

    Raises:
        AuricleError: some have no checkpoint, or another one.
    """
    if not are_same(devices, epochs_done):
        raise AuricleError(
            f"machine {devices.worker} would go on after {epochs_done} epochs and another one from"
            f" elsewhere: {file} has to be the same file on all of them"
        )


def train_together(
    model: keras.Model,
    train: tf.data.Dataset,
    evaluation: tf.data.Dataset | None,
    part: ModelPart,
    devices: Devices,
    recorder: Recorder,
    epochs: Sequence[int],
    batch_size: int,
) -> None:
    """Trains a compiled `model` for these `epochs`, or until the recorder stops it.

    `train` gives the `Rows` of endless epochs, `evaluation` those of one, of batches of at most
    `batch_size` clips.

    Raises:
        AuricleError: another machine is gone.
    """
    steps = _Steps(model, part, devices, batch_size)
    batches = iter(train)
    recorder.set_model(model)
    model.stop_training = False
    with naming_who_is_gone():
        recorder.on_train_begin()
        for epoch in epochs:
            recorder.on_epoch_begin(epoch)
            logs = steps.run(steps.train, batches, recorder.on_train_batch_end)
            if evaluation is not None:
                judged = steps.run(steps.judge, iter(evaluation))
                logs |= {f"val_{name}": value for name, value in judged.items()}
            recorder.on_epoch_end(epoch, logs)
            if model.stop_training:
                break


class _Steps:
    """The steps of a model, and what an epoch of them comes to."""

    def __init__(
        self, model: keras.Model, part: ModelPart, devices: Devices, batch_size: int
    ) -> None:
        self._model = model
        self._batch_size = batch_size
        self._devices = devices
        self._loss = part.loss()
        self._name = part.METRIC
        self._columns = model.output_shape[-1]
        self._metric = part.metric()  # outside of the strategy: it sees all rows
        self._metric.update_state(tf.zeros([1]), tf.zeros([1, self._columns]))  # all its variables
        self._functions: dict[Callable[[Rows], Outcome], Callable[..., tf.Tensor]] = {}

    def run(
        self,
        step: Callable[[Rows], Outcome],
        batches: Iterator[Rows],
        report: Callable[[int, dict[str, tf.Tensor]], None] | None = None,
    ) -> dict[str, float]:
        """Loss and metric of all batches of an epoch."""
        self._metric.reset_state()
        total, clips = tf.constant(0.0), tf.constant(0.0)
        for number, batch in enumerate(_in_step(batches, self._devices)):
            loss, rows = self._on_replicas(step, batch)
            total, clips = total + loss, clips + rows
            if report is not None:
                report(number, {"loss": total / clips})
        return {"loss": float(total / clips), self._name: float(self._metric.result())}

    def _on_replicas(self, step: Callable[[Rows], Outcome], batch: Rows) -> tf.Tensor:
        """The sum of the losses and the number of clips, of all workers."""
        if step not in self._functions:
            strategy = self._devices.strategy

            def run(*batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                outcomes = strategy.run(step, args=(Rows(*batch),))
                loss, clips, targets, outputs = (
                    strategy.experimental_local_results(each)[0] for each in outcomes
                )
                self._metric.update_state(targets, outputs)
                return loss, clips

            specs = tf.nest.map_structure(_any_size, tuple(batch))
            self._functions[step] = tf.function(run, input_signature=specs, autograph=False)
        return self._functions[step](*batch)

    def train(self, batch: Rows) -> Outcome:
        """A step of a replica, with its rows of the worker's."""
        model = self._model
        own, rows = _own(batch, self._devices)
        clips = tf.cast(sum_over_replicas(rows.rows), tf.float32)
        with tf.GradientTape() as tape, working_on(rows):
            outputs = model(own.inputs, training=True)
            loss = self._share(own.target, outputs, rows.rows)
            objective = loss if self._loss.reduction == "sum" else loss / clips
        gradients = tape.gradient(objective, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
        return self._outcome(loss, clips, own, outputs, rows)

    def judge(self, batch: Rows) -> Outcome:
        """What a replica answers to its rows."""
        own, rows = _own(batch, self._devices)
        clips = tf.cast(sum_over_replicas(rows.rows), tf.float32)
        outputs = self._model(own.inputs, training=False)
        loss = self._share(own.target, outputs, rows.rows)
        return self._outcome(loss, clips, own, outputs, rows)

    def _share(self, target: tf.Tensor, outputs: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """The losses of the own rows, summed."""
        loss = self._loss(target, outputs)
        if self._loss.reduction == "sum":
            return loss * tf.cast(tf.minimum(rows, 1), loss.dtype)
        # Keras divides a mean by the number of replicas.
        return loss * tf.cast(rows * self._devices.replicas, loss.dtype)

    def _outcome(
        self, loss: tf.Tensor, clips: tf.Tensor, own: Rows, outputs: tf.Tensor, part: BatchPart
    ) -> Outcome:
        places = (part.first + tf.range(part.rows))[:, tf.newaxis]

        def gather(values: tf.Tensor) -> tf.Tensor:
            """Of all replicas, in the order of the batch; where it has no clip there are zeros."""
            shape = [self._batch_size, *values.shape[1:]]
            return sum_over_replicas(tf.scatter_nd(places, values[: part.rows], shape))

        is_there = gather(tf.ones(tf.shape(own.target)[:1], tf.int32)) > 0
        outputs = tf.ensure_shape(tf.cast(outputs, tf.float32), [None, self._columns])
        return (
            sum_over_replicas(loss),
            clips,
            tf.boolean_mask(gather(own.target), is_there),
            tf.boolean_mask(gather(outputs), is_there),
        )


def _any_size(tensor: tf.Tensor) -> tf.TensorSpec:
    """Batches differ in rows, and clips of many lengths in samples too."""
    return tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype)


def _in_step(batches: Iterator[Rows], devices: Devices) -> Iterator[Rows]:
    """The batches of an epoch, as many on every worker: of no rows where others have more."""
    end: Rows | None = None
    most = _BLOCK
    while most == _BLOCK:
        block: list[Rows] = []
        while len(block) < _BLOCK and end is None:
            batch = Rows(*next(batches))
            if int(batch.first) == END:
                inputs, target = tf.nest.map_structure(lambda each: each[:0], batch[:2])
                end = Rows(inputs, target, tf.zeros_like(batch.first), batch.total)
            else:
                block.append(batch)
        most = _most(len(block), devices)
        yield from block
        if end is not None:
            yield from itertools.repeat(end, most - len(block))


def _most(batches: int, devices: Devices) -> int:
    """The largest number of `batches`, at most a block, that any worker has."""
    having = devices.add_up(*(int(number < batches) for number in range(_BLOCK)))
    return sum(map(bool, having))


def _own(batch: Rows, devices: Devices) -> tuple[Rows, BatchPart]:
    """What a replica has of a worker's rows; one of zeros, which is not counted, instead of none.

    In main memory: only the own rows go to a GPU.
    """
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    here = devices.replicas_here
    number = tf.cast(replica, tf.int32) - devices.worker * here
    with tf.device("CPU"):
        rows = tf.shape(batch.target)[0]
        begin, end = rows * number // here, rows * (number + 1) // here
        missing = 1 - tf.minimum(end - begin, 1)

        def cut(values: tf.Tensor) -> tf.Tensor:
            own = values[begin:end]
            empty = [[0, 0]] * (own.shape.rank - 1)
            filler = 1 if values.dtype == tf.int32 else 0  # lengths are 1 or more
            return tf.pad(own, [[0, missing], *empty], constant_values=filler)

        inputs = tf.nest.map_structure(cut, batch.inputs)
        own = Rows(inputs, cut(batch.target), batch.first + begin, batch.total)
        part = BatchPart(own.first, end - begin, batch.total, sum_over_replicas)
    return own, part
