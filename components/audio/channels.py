"""Several channels become one: the mean of those that hold sound, unless they cancel each other.

A channel that nobody spoke into would halve the level of the other, and two of opposite phase would
leave silence. Decided once for a clip, from the power of its channels and of their mean.
"""

from collections.abc import Iterable

import numpy as np

QUIET_POWER = 1e-4  # of the loudest channel's: 40 dB below it
EQUAL_POWER = 0.9  # of the loudest channel's: half a dB below it
CANCELLED_POWER = 0.1  # of what as many channels that have nothing in common would leave


def choose_channels(blocks: Iterable[np.ndarray]) -> list[int]:
    """Which channels of float32 [frames, channels] blocks make up the clip, counted from 0.

    All, mostly. Those are left out that are 40 dB or more below the loudest one. Where the mean of
    the others holds less than a tenth of the power that it has of unrelated sounds, the loudest
    alone is left, the first of those within half a dB of it. A constant offset is no sound.
    """
    frames, sums, products, base = 0, np.zeros(1), np.zeros((1, 1)), None
    for read in blocks:
        if not len(read):
            continue
        base = read[:1] if base is None else base
        block = read - base  # power is that of changes: a constant is taken off before it can round
        frames += len(block)
        sums = sums + np.ones(len(block), np.float32) @ block
        products = products + block.T @ block
    mean = sums.astype(np.float64) / max(1, frames)
    power = products.astype(np.float64) / max(1, frames) - np.outer(mean, mean)
    own = power.diagonal()
    kept = np.flatnonzero(own >= QUIET_POWER * own.max())
    if not len(kept) or not np.isfinite(own).all():
        return list(range(len(own)))
    unrelated = own[kept].mean() / len(kept)
    if len(kept) > 1 and power[np.ix_(kept, kept)].mean() < CANCELLED_POWER * unrelated:
        return [int((own >= EQUAL_POWER * own.max()).argmax())]
    return [int(channel) for channel in kept]


def mix_down(block: np.ndarray, channels: list[int]) -> np.ndarray:
    """The mean of `channels` of float32 [frames, channels], as float32 [frames]."""
    if block.shape[1] == 1:
        return block[:, 0]
    # A sum of columns: numpy's mean over a short last axis takes ten times as long.
    mono = block[:, channels[0]].copy()
    for channel in channels[1:]:
        mono += block[:, channel]
    mono /= len(channels)
    return mono
