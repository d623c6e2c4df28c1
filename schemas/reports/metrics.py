"""Numbers about a model, with their intervals."""

import math
from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from schemas.document import Document

_Low = Annotated[float, BeforeValidator(lambda bound: -math.inf if bound is None else bound)]
_High = Annotated[float, BeforeValidator(lambda bound: math.inf if bound is None else bound)]


class Interval(Document):
    """Where a number lies with the confidence that the document states.

    An infinite bound is null in JSON: so few clips say nothing.
    """

    low: _Low
    high: _High

    @classmethod
    def of(cls, bounds: tuple[float, float]) -> "Interval":
        """From both ends, the lower one first."""
        return cls(low=bounds[0], high=bounds[1])


class Headline(Document):
    """The number that a task's models are judged by; `unit` is empty where it is a share."""

    name: str
    value: float
    interval: Interval
    unit: str
    higher_is_better: bool


class ConditionMetrics(Document):
    """The verdict's headline number of test clips heard under one condition, e.g. `noise_10db`.

    `baseline` is that of the last blessed model, and `difference_interval` where the difference to
    it lies, on the clips whose target both know.
    """

    name: str
    value: float
    interval: Interval
    clips: int
    baseline: float | None
    difference_interval: Interval | None


class SliceMetrics(Document):
    """One slice of the test split, e.g. feature `speaker`, value `theo`.

    `headline` is the verdict's headline number on its clips. `is_small`: too few of them to judge.
    `difference` is `headline` less the last blessed model's on the same clips.
    """

    feature: str
    value: str
    headline: float = Field(validation_alias=AliasChoices("headline", "accuracy"))
    interval: Interval
    clips: int
    is_small: bool
    difference: float | None
