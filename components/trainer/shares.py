"""What each worker has of the batches of a training that several of them share."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from components.trainer.together import END, Rows

# Of the numbers or records of a worker's rows, and those of the whole batch: inputs and target.
Make = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Share:
    """The worker of this number among `workers`."""

    worker: int
    workers: int

    def deal(self, files: tf.Tensor) -> tf.Tensor:
        """The files of this worker, of all in the order of an epoch: string [files]."""
        return files[self.worker :: self.workers]

    def own_size(self, batch_size: int) -> int:
        """How many of a batch are this worker's; evenly divided, as `find_devices` asks for."""
        return batch_size // self.workers

    def cut(self, make: Make) -> Callable[[tf.Tensor, tf.Tensor], Rows]:
        """From (a whole batch, whether it is the end) to the rows of this worker."""

        def cut_rows(items: tf.Tensor, is_end: tf.Tensor) -> Rows:
            total = tf.size(items)
            begin = total * self.worker // self.workers
            end = total * (self.worker + 1) // self.workers
            return _rows(make(items[begin:end], items), begin, total, is_end)

        return cut_rows

    def place(self, make: Make, batch_size: int) -> Callable[[tf.Tensor, tf.Tensor], Rows]:
        """From (this worker's part of a batch, whether it is the end) to its rows."""
        first = self.worker * self.own_size(batch_size)

        def place_rows(items: tf.Tensor, is_end: tf.Tensor) -> Rows:
            return _rows(make(items, items), first, batch_size, is_end)

        return place_rows


def with_end(batches: tf.data.Dataset, any_item: tf.data.Dataset) -> tf.data.Dataset:
    """(batch, False) for each of an epoch, and at its end (any batch, True)."""
    end = any_item.take(1).map(lambda items: (items, True))
    return batches.map(lambda items: (items, False)).concatenate(end)


def _rows(
    made: tuple[tf.Tensor, tf.Tensor], first: tf.Tensor, total: tf.Tensor, is_end: tf.Tensor
) -> Rows:
    return Rows(*made, tf.where(is_end, END, first), tf.cast(total, tf.int32))
