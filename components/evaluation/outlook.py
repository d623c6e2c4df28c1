"""What a rule of the gate could say of clips that no model has answered yet: which share of right
answers would be enough, and how many clips would decide.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from components.evaluation.clusters import effective_clips
from components.evaluation.intervals import accuracy_interval, clips_to_show
from components.evaluation.scores import Chosen, Texts
from components.evaluation.wording import count
from schemas.document import Document


@dataclass(frozen=True)
class Unanswered:
    """Clips that are going to judge a model; all arrays are [clips].

    `features` are what is known of them before they are decoded, by name. `is_clustered` where
    clips of one speaker are not taken for independent.
    """

    targets: Texts
    speakers: Texts
    features: Mapping[str, Texts]
    is_clustered: bool

    def of(self, chosen: Chosen) -> "Unanswered":
        """Some of the clips."""
        return Unanswered(
            self.targets[chosen],
            self.speakers[chosen],
            {name: values[chosen] for name, values in self.features.items()},
            self.is_clustered,
        )


class Outlook(Document):
    """What one rule could say.

    `enough` is the least share of right answers on these `clips` that the rule holds with, None
    where not even all of them are; `would_do` is of how many clips all right would then be enough.
    `decides` is how many clips would settle it for a model half-way between the limit and 1.
    """

    rule: str
    limit: float
    clips: int
    enough: float | None
    would_do: int | None
    decides: int | None
    message: str


def foresee_share(
    rule: str, limit: float, clips: Unanswered, confidence: float, where: str = ""
) -> Outlook:
    """Of a rule that some share of right answers has to reach `limit`.

    Clips of one speaker are taken for as alike as usual: it may take more, or fewer, in the end.
    """
    total = len(clips.targets)
    independent = 1.0
    if clips.is_clustered and total:
        independent = effective_clips(np.zeros(total), clips.speakers, confidence) / total

    def is_enough(right: int) -> bool:
        low, _ = accuracy_interval(right * independent, total * independent, confidence)
        return low >= limit

    fewest = _first(is_enough, total)
    decides = clips_to_show((1 + limit) / 2, limit, confidence)
    would_do = clips_to_show(1.0, limit, confidence) if limit < 1 else None
    outlook = Outlook(
        rule=rule,
        limit=limit,
        clips=total,
        enough=None if fewest is None or not total else fewest / total,
        would_do=would_do and math.ceil(would_do / independent),
        decides=decides and math.ceil(decides / independent),
        message="",
    )
    on = f"{limit:g} on {count(total, 'test ')}{where}"
    if outlook.enough is None:
        low, _ = accuracy_interval(total * independent, total * independent, confidence)
        message = f"{rule}: no result can show {on}"
        message += f": with all of them right, the interval would begin at {low:.3f}"
    else:
        message = f"{rule}: to show {on}, {fewest:,} have to be right ({outlook.enough:.3f})"
        if outlook.decides and outlook.decides > total:
            message += f"; for a model that is right on {(1 + limit) / 2:.3f} of them it would take"
            message += f" about {outlook.decides:,}"
    return outlook.model_copy(update={"message": message})


def _first(holds: Callable[[int], bool], most: int) -> int | None:
    """The least number from 0 to `most` that a condition, once true, holds from on."""
    if not holds(most):
        return None
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
