"""How much clips tell that are not independent, since some are of one speaker."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from components.evaluation.scores import Numbers, Texts


def effective_clips(values: Numbers, speakers: Texts, confidence: float) -> float:
    """How many independent clips would tell as much of the mean of `values` [clips] as these do.

    Fewer than there are where clips of one speaker are alike (the design effect of Kish 1965), and
    where there are few speakers, whose spread is then little known (Student's t, as Korn and
    Graubard 1998 have it). A clip without a speaker stands for itself; of one speaker alone nothing
    tells how alike their clips are.
    """
    clips, members = len(values), cluster_numbers(speakers)
    clusters = int(members.max(initial=-1)) + 1
    if clusters < 2:
        return float(clips)
    centred = values - values.mean()
    spread = float(centred @ centred)
    effect = 1.0
    if spread:
        sums = np.bincount(members, centred, clusters)
        effect = max(1.0, clusters / (clusters - 1) * float(sums @ sums) / spread)
    return clips / effect * _few_speakers(clips, clusters, confidence)


def cluster_numbers(speakers: Texts) -> NDArray[np.intp]:
    """Numbers the speakers from 0 on, [clips]; a clip without one has a number of its own."""
    _, members = np.unique(speakers, return_inverse=True)
    unknown = np.flatnonzero(speakers == "")
    members[unknown] = members.max(initial=0) + 1 + np.arange(len(unknown))
    numbered: NDArray[np.intp] = np.unique(members, return_inverse=True)[1]
    return numbered


def _few_speakers(clips: int, clusters: int, confidence: float) -> float:
    """What is left of the clips for the spread of so few clusters is little known; at most 1."""
    quantile = (1 + confidence) / 2
    return float((stdtrit(clips - 1, quantile) / stdtrit(clusters - 1, quantile)) ** 2)
