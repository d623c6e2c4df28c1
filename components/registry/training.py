"""A training that was judged, as a registry is told of it, whatever became of its model."""

import datetime
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.evaluation.scores import SPEAKER
from components.registry.interface import metrics_of
from components.storage.location import Location
from schemas.outcomes import RunOutcome
from schemas.reports.model_card import ModelCard
from schemas.reports.training import Epoch
from schemas.reports.verdict import Verdict

_MOST_SLICES = 200
_LONGEST_PART = 60


@dataclass(frozen=True)
class DataSet:
    """What a model learnt from: SHA-256 of rows and recordings, their place, clips by split."""

    digest: str
    source: str
    clips: Mapping[str, int]


@dataclass(frozen=True)
class Training:
    """One model, and what run `run` found out about it, the last that judged it.

    `version` is what it was published as. `metrics` and `pictures`, by file name, are the task's
    own. `report` is None where it is gone.
    """

    run: int
    began: datetime.datetime
    seconds: float
    outcome: RunOutcome
    version: int | None
    model_digest: str
    card: ModelCard
    verdict: Verdict
    data: DataSet
    epochs: Sequence[Epoch]
    metrics: Mapping[str, float]
    pictures: Mapping[str, bytes]
    report: Location | None
    is_scheduled: bool

    def by_epoch(self) -> list[tuple[int, float, dict[str, float]]]:
        """Number, seconds since the beginning and metrics of each epoch."""
        found, seconds = [], 0.0
        for epoch in self.epochs:
            seconds += epoch.seconds
            values = {
                "train/loss": epoch.loss,
                "eval/loss": epoch.val_loss,
                f"train/{metric_name(epoch.metric)}": epoch.value,
                f"eval/{metric_name(epoch.metric)}": epoch.val_value,
                "learning_rate": epoch.learning_rate,
            }
            known = {name: value for name, value in values.items() if value is not None}
            found.append((epoch.epoch, seconds, _finite(known)))
        return found

    def judged(self) -> dict[str, float]:
        """The numbers of the verdict, of its slices but those by speaker, and the task's own, in
        which the slices by target are.
        """
        left_out = {SPEAKER, self.verdict.details.target_feature if self.metrics else None}
        slices = [each for each in self.verdict.slices if each.feature not in left_out]
        values = {
            **{metric_name(key): value for key, value in metrics_of(self.verdict).items()},
            **{_path(*key.split("/")): value for key, value in self.metrics.items()},
            **{
                _path("slice", each.feature, each.value or "unknown"): each.headline
                for each in slices[:_MOST_SLICES]
            },
        }
        return _finite(values)


def metric_name(text: str) -> str:
    """`text` as part of a name that MLflow takes: what else stands in it becomes `_`."""
    return re.sub(r"[^\w\- ]", "_", text).strip()[:_LONGEST_PART] or "_"


def _path(*parts: str) -> str:
    return "/".join(map(metric_name, parts))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
