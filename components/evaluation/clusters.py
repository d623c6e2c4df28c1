"""How much clips tell that are not independent, since some are of one speaker."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from components.evaluation.scores import Coded, Numbers, Texts

# How alike clips of one speaker usually are (their intraclass correlation), and the speakers whose
# clips would say so as surely as this is assumed. The best of five pairs in simulations of 2 to 30
# speakers (benchmarks/gate_calibration.py).
_USUALLY_ALIKE = 0.1
_WORTH_SPEAKERS = 5


def effective_clips(values: Numbers, speakers: Coded | Texts, confidence: float) -> float:
    """How many independent clips would tell as much of the mean of `values` [clips] as these do.

    Fewer than there are, by the design effect (Kish 1965): a speaker's clips are right or wrong
    together. Few speakers say little of how alike they are, so their effect is moderated with the
    usual one, as variances are in Smyth 2004, and Student's t has its degrees of freedom. A clip
    without a speaker stands for itself; of one speaker alone nothing tells how alike clips are.
    """
    clips, members = len(values), cluster_numbers(speakers)
    clusters = int(members.max(initial=-1)) + 1
    if clusters < 2:
        return float(clips)
    usual = 1 + (clips / clusters - 1) * _USUALLY_ALIKE
    seen, known = usual, 0
    centred = values - values.mean()
    if spread := float(centred @ centred):
        sums = np.bincount(members, centred, clusters)
        seen, known = clusters / (clusters - 1) * float(sums @ sums) / spread, clusters - 1
    effect = (seen * known + usual * _WORTH_SPEAKERS) / (known + _WORTH_SPEAKERS)
    quantile, freedom = (1 + confidence) / 2, clusters - 1 + _WORTH_SPEAKERS
    unsure = (stdtrit(clips - 1, quantile) / stdtrit(freedom, quantile)) ** 2
    return clips / max(1.0, effect) * min(1.0, float(unsure))


def cluster_numbers(speakers: Coded | Texts) -> NDArray[np.intp]:
    """Numbers the speakers from 0 on, [clips]; a clip without one has a number of its own."""
    coded = Coded.of(speakers)
    members = coded.codes.astype(np.intp)
    unknown = np.flatnonzero(coded == "")
    members[unknown] = members.max(initial=0) + 1 + np.arange(len(unknown))
    numbered: NDArray[np.intp] = np.unique(members, return_inverse=True)[1]
    return numbered
