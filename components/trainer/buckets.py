"""Orders of an epoch that a seed and numbers fix alone, and batches of clips of like length."""

import tensorflow as tf

_BATCHES_IN_WINDOW = 32  # sorted together, and in memory where clips are streamed
_LENGTH_JITTER = 0.1  # so that other neighbours meet in the next epoch

_CLIPS, _BATCHES, _LENGTHS = 0, 1, 2  # what is drawn: each has random numbers of its own


def shuffle(
    items: tf.Tensor | list[str], seed: int, epoch: tf.Tensor, window: tf.Tensor | int = 0
) -> tf.Tensor:
    """`items` in an order that depends on the three numbers only, not on any global seed."""
    return tf.random.experimental.stateless_shuffle(items, _seed((seed, _CLIPS), epoch, window))


def window_clips(batch_size: int) -> int:
    """How many clips `batches_of_like_length` best gets at a time: whole batches of them."""
    return _BATCHES_IN_WINDOW * batch_size


def batches_of_like_length(
    items: tf.Tensor,
    lengths: tf.Tensor,
    batch_size: int,
    seed: int,
    epoch: tf.Tensor,
    window: tf.Tensor,
) -> tf.data.Dataset:
    """Batches of the shuffled `items` [clips], neighbours in length together, in random order.

    `lengths` int [clips]; they are compared to within a tenth. Each item comes once, and one batch
    is smaller where `batch_size` does not divide their number.
    """
    jitter = tf.random.stateless_uniform(
        tf.shape(lengths), _seed((seed, _LENGTHS), epoch, window), 1.0, 1.0 + _LENGTH_JITTER
    )
    by_length = tf.argsort(tf.cast(lengths, tf.float32) * jitter, stable=True)
    starts = tf.range(0, tf.size(by_length), batch_size)
    starts = tf.random.experimental.stateless_shuffle(
        starts, _seed((seed, _BATCHES), epoch, window)
    )
    return tf.data.Dataset.from_tensor_slices(starts).map(
        lambda start: tf.gather(items, by_length[start : start + batch_size])
    )


def _seed(seed: tuple[int, int], epoch: tf.Tensor | int, window: tf.Tensor | int) -> tf.Tensor:
    of_epoch = tf.random.experimental.stateless_fold_in(list(seed), epoch)
    return tf.random.experimental.stateless_fold_in(of_epoch, window)
