"""What Auricle asks of a model registry; each kind of registry is one module beside this one.

All of it can be asked again after a crash in the middle, and then changes nothing twice.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from components.storage.location import Location
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict
from schemas.versions import Manifest

ALIASES = ("candidate", "champion", "previous")
STATE_TAGS = ("auricle.failed", "auricle.replace")


def metrics_of(verdict: Verdict) -> dict[str, float]:
    """The verdict's numbers, with their intervals."""
    headline = verdict.headline
    metrics = {
        headline.name: headline.value,
        f"{headline.name}_low": headline.interval.low,
        f"{headline.name}_high": headline.interval.high,
        **verdict.metrics,
        "test_clips": float(verdict.clips),
    }
    if verdict.difference is not None and verdict.difference_interval is not None:
        metrics["difference"] = verdict.difference
        metrics["difference_low"] = verdict.difference_interval.low
        metrics["difference_high"] = verdict.difference_interval.high
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def origin_tags(version: int, manifest: Manifest, verdict: Verdict) -> dict[str, str]:
    """Where a version comes from."""
    tags = {
        "auricle.version": str(version),
        "auricle.push_id": manifest.push_id,
        "auricle.model_sha256": manifest.model_digest,
        "auricle.verdict": verdict.outcome,
    }
    if manifest.lineage is not None:
        tags["auricle.examples_sha256"] = manifest.lineage.examples
        tags["auricle.settings_sha256"] = manifest.lineage.settings
        tags["auricle.code_sha256"] = manifest.lineage.code
    if manifest.parent is not None:
        tags["auricle.parent"] = str(manifest.parent)
    if manifest.restores is not None:
        tags["auricle.restores"] = str(manifest.restores)
    return tags


@dataclass(frozen=True)
class Registration:
    """A version as it is to be registered.

    `folder` holds the SavedModel and all about it. `same_as` is the entry of the version it
    restores, whose files need not be stored again; None for files that are new.
    """

    version: int
    folder: Location
    manifest: Manifest
    card: ModelCard
    verdict: Verdict
    card_text: str
    same_as: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Where the version comes from; the push id tells it from all others."""
        return origin_tags(self.version, self.manifest, self.verdict)


class Registry(Protocol):
    """Versions of one model. Somebody else may change all of it meanwhile."""

    def entries(self, kept: Collection[str]) -> Mapping[str, str]:
        """The entries that are there, by push id. Of those of `kept`, which have files, one whose
        files were deleted is restored, or taken away where it cannot be.
        """

    def register(self, registration: Registration) -> str:
        """The entry of this version, which is made unless it is there already."""

    def annotate(self, entry: str, tags: Mapping[str, str]) -> None:
        """Has an entry carry these tags: where it comes from, that it failed, or wants to be
        replaced; and none of `STATE_TAGS` that is not among them.
        """

    def point(self, aliases: Mapping[str, str]) -> None:
        """Has each alias point at an entry, and takes away those of `ALIASES` not named."""
