"""Is there anything new to train on? Answered in seconds, from what the last finished run saw.

First at a glance: hashes of the manifests, and the stamp of every recording, which differs whenever
its content may. Only where that differs are rows listed and contents hashed, as a run would do it.
"""

import datetime
import itertools

from pydantic import BaseModel

from components.example_gen.label_folders import clip_stamps
from components.example_gen.patterns import place_of
from components.storage.location import location_of
from components.storage.trouble import STORE_REFUSED
from components.versions.ledger import read_ledger
from pipeline.datasets.rows import list_rows
from pipeline.runs.snapshot import (
    RunSnapshot,
    label_counts,
    manifest_digests,
    read_snapshot,
    recording_stamps,
    trained_code,
    trained_settings,
)
from pipeline.runs.stamps import (
    Stamps,
    are_same,
    differences,
    read_stamps,
    stamps_now,
    write_stamps,
)
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import AuricleError
from schemas.settings import flat_settings
from schemas.text import some
from schemas.workflow.workflow import Workflow

_NAMED = 3


class TriggerDecision(BaseModel):
    """Whether to train, and why or why not."""

    train: bool
    reasons: list[str]


def check_triggers(project: Project, now: datetime.datetime) -> TriggerDecision:
    """What is new since the last finished run; with nothing known of one, everything is.

    Raises:
        DataError: the recordings cannot be listed.
    """
    workflow, directory = project.workflow, project.run_directory
    seen = read_snapshot(directory.seen)
    if seen is None:
        is_lost = directory.seen.is_present()
        reason = f"{directory.seen} cannot be read" if is_lost else "no run has finished yet"
        return TriggerDecision(train=True, reasons=[reason])
    reasons = [
        *_changed_settings(seen, workflow),
        *_changed_code(seen, project.workflow.task),
        *_too_old(seen, workflow.schedule.max_age_days, now),
        *_to_be_replaced(directory),
    ]
    if reasons:
        return TriggerDecision(train=True, reasons=reasons)
    manifests = manifest_digests(project)
    if manifests == seen.manifests and _are_as_seen(project):
        return TriggerDecision(
            train=False, reasons=[f"nothing new since {seen.finished:%Y-%m-%d %H:%M}"]
        )
    return _look_closely(seen, manifests, project)


def _look_closely(
    seen: RunSnapshot, manifests: dict[str, str], project: Project
) -> TriggerDecision:
    """Which rows are new or changed, of which there have to be enough, or drift."""
    from components.example_gen.index import read_row_keys
    from components.example_gen.index_writer import write_index

    workflow, directory = project.workflow, project.run_directory
    listing = list_rows(project)
    stamps = recording_stamps(listing)  # before the contents are read, which may change meanwhile
    index = write_index(listing, workflow.data, directory.index, directory.digests)
    if index.digest == seen.data:
        write_stamps(stamps, directory.seen_files)  # so that the next check needs no closer look
        return TriggerDecision(train=False, reasons=["files were touched, but hold what they held"])
    before = _seen_rows(directory, seen.data)
    clips, gone = differences(before, Stamps(read_row_keys(location_of(index.uri))))
    found = [
        *_names("new manifests", sorted(set(manifests) - set(seen.manifests))),
        *_names("manifests no longer used", sorted(set(seen.manifests) - set(manifests))),
        f"{clips:,} new or changed clips",
        *([f"{gone:,} clips gone"] if gone else []),
    ]
    wanted, limit = workflow.schedule.min_new_clips, workflow.data_gate.max_drift
    drift = _drift(seen.labels, label_counts(listing))
    if drift > limit:
        found.append(f"the shares of the labels drifted by {drift:.2f}, more than {limit:g}")
    elif clips < wanted and not (wanted == 1 and clips == 0):
        return TriggerDecision(
            train=False, reasons=[*found, f"too few: schedule.min_new_clips is {wanted:,}"]
        )
    return TriggerDecision(train=True, reasons=found)


def _seen_rows(directory: RunDirectory, digest: str) -> Stamps:
    """The rows of the last finished run, by id; none where its index is gone."""
    from components.example_gen.index import index_file, read_row_keys

    try:
        return Stamps(read_row_keys(index_file(directory.index, digest)))
    except (OSError, AuricleError):
        return Stamps([])


def _changed_settings(seen: RunSnapshot, workflow: Workflow) -> list[str]:
    before, now = flat_settings(seen.settings), flat_settings(trained_settings(workflow))
    return _names("changed settings", [k for k in {**before, **now} if before.get(k) != now.get(k)])


def _changed_code(seen: RunSnapshot, task: str) -> list[str]:
    if seen.code == trained_code(task):
        return []
    return ["auricle's code or a library's version changed"]


def _too_old(seen: RunSnapshot, max_age_days: float | None, now: datetime.datetime) -> list[str]:
    if max_age_days is None or seen.trained is None:
        return []
    age_days = (now - seen.trained).total_seconds() / 86400
    if age_days < max_age_days:
        return []
    return [f"the last training is {age_days:.1f} days old, schedule.max_age_days {max_age_days:g}"]


def _to_be_replaced(directory: RunDirectory) -> list[str]:
    champion = read_ledger(directory.ledger).champion
    if champion is None or not champion.replace:
        return []
    return [f"version {champion.version} is to be replaced: {champion.replace}"]


def _are_as_seen(project: Project) -> bool:
    """Whether the recordings are the files they were; not where nobody knows what they were."""
    data, known = project.workflow.data, project.run_directory.seen_files
    try:
        paths = (path for path, _ in read_stamps(known))
        if data.folder is None:
            now = stamps_now(paths)
        else:
            feedback = project.run_directory.feedback.parent
            own = (path for path in paths if location_of(path).parent == feedback)
            clips = clip_stamps(place_of(data.folder, project.folder), data.labels)
            now = itertools.chain(clips, stamps_now(own))
        return are_same(Stamps(now), read_stamps(known))
    except STORE_REFUSED:
        raise
    except (OSError, ValueError):
        return False


def _drift(before: dict[str, int], now: dict[str, int]) -> float:
    """Jensen-Shannon divergence of the labels' shares, from 0 to 1 (base 2)."""
    from scipy.spatial.distance import jensenshannon

    names = sorted({*before, *now})
    distance = jensenshannon(
        [before.get(n, 0) for n in names], [now.get(n, 0) for n in names], base=2
    )
    return float(distance) ** 2


def _names(what: str, names: list[str]) -> list[str]:
    return [f"{what}: {some(names, _NAMED)}"] if names else []
