"""Is there anything new to train on? Answered in seconds, from what the last finished run saw.

First at a glance: hashes of the manifests, `stat` of every recording. Only where that differs are
rows listed and contents hashed, as a run would do it.
"""

import datetime
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from components.digests import file_digest
from components.durable import replace_file
from components.example_gen.sources import Listing, find_manifests
from components.versions.ledger import read_ledger
from pipeline.fingerprint import component_fingerprint
from pipeline.listing import list_rows
from pipeline.run_directory import RunDirectory, locate_run_directory
from schemas.errors import AuricleError
from schemas.settings import flat_settings
from schemas.words import some
from schemas.workflow import Data, Workflow

# Blocks that say when and where, not what is trained.
_NOT_SETTINGS = {"schedule", "run", "push", "registry", "serving_check", "notify"}
_CODE = ("AudioExampleGen", "Trainer")
_NAMED = 3


class Seen(BaseModel):
    """What a finished run was made from, whatever became of its model.

    `trained` is when the last one trained that no data gate stopped. `manifests` are SHA-256 by
    path, `labels` clips of each, `data` the digest of the source index.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    finished: datetime.datetime
    trained: datetime.datetime | None
    settings: dict[str, object]
    code: str
    manifests: dict[str, str]
    labels: dict[str, int]
    data: str


class News(BaseModel):
    """Whether to train, and why or why not."""

    train: bool
    reasons: list[str]


def look(workflow: Workflow, base: Path, directory: RunDirectory, now: datetime.datetime) -> News:
    """What is new since the last finished run; with nothing known of one, everything is.

    Raises:
        DataError: the recordings cannot be listed.
    """
    seen = _read(directory.seen)
    if seen is None:
        return News(train=True, reasons=["no run has finished yet"])
    reasons = [
        *_changed_settings(seen, workflow),
        *_changed_code(seen),
        *_too_old(seen, workflow.schedule.max_age_days, now),
        *_to_be_replaced(directory),
    ]
    if reasons:
        return News(train=True, reasons=reasons)
    manifests = _manifests(workflow.data, base, directory)
    known = _read_files(directory)
    if manifests == seen.manifests and _is_as_seen(workflow.data, base, directory, known):
        return News(train=False, reasons=[f"nothing new since {seen.finished:%Y-%m-%d %H:%M}"])
    return _look_closely(seen, manifests, workflow, base, directory)


@dataclass(frozen=True)
class Observation:
    """What a run is made from, taken before it begins: files may change while it goes on."""

    settings: dict[str, object]
    code: str
    manifests: dict[str, str]
    labels: dict[str, int]
    files: dict[str, str]


def observe(workflow: Workflow, base: Path, listing: Listing) -> Observation:
    """What a run of `listing` is made from."""
    return Observation(
        settings=_settings(workflow),
        code=_code(),
        manifests=_manifests(workflow.data, base, locate_run_directory(workflow, base)),
        labels=_labels(listing),
        files=dict(_stamps(sorted({row.path for row in listing.utterances if row.path}))),
    )


def remember(
    observed: Observation,
    data: str,
    directory: RunDirectory,
    now: datetime.datetime,
    *,
    has_trained: bool = True,
) -> None:
    """Writes down what a finished run was made from; `data` is the digest of its source index."""
    before = _read(directory.seen)
    seen = Seen(
        finished=now,
        trained=now if has_trained else before and before.trained,
        settings=observed.settings,
        code=observed.code,
        manifests=observed.manifests,
        labels=observed.labels,
        data=data,
    )
    replace_file(directory.seen_files, json.dumps(observed.files).encode())
    replace_file(directory.seen, seen.model_dump_json().encode())


def _look_closely(
    seen: Seen, manifests: dict[str, str], workflow: Workflow, base: Path, directory: RunDirectory
) -> News:
    """Which rows are new or changed, of which there have to be enough, or drift."""
    from components.example_gen.index import read_row_keys, write_index

    listing = list_rows(workflow, base)
    index = write_index(listing, workflow.data, directory.index, directory.digests)
    if index.digest == seen.data:
        return News(train=False, reasons=["files were touched, but hold what they held"])
    before, now = _seen_rows(directory, seen.data), read_row_keys(Path(index.uri))
    clips = sum(before.get(row) != key for row, key in now.items())
    found = [
        *_names("new manifests", sorted(set(manifests) - set(seen.manifests))),
        *_names("manifests no longer used", sorted(set(seen.manifests) - set(manifests))),
        f"{clips:,} new or changed clips",
        *([f"{gone:,} clips gone"] if (gone := len(set(before) - set(now))) else []),
    ]
    wanted, limit = workflow.schedule.min_new_clips, workflow.data_gate.max_drift
    drift = _drift(seen.labels, _labels(listing))
    if drift > limit:
        found.append(f"the shares of the labels drifted by {drift:.2f}, more than {limit:g}")
    elif clips < wanted and not (wanted == 1 and clips == 0):
        return News(train=False, reasons=[*found, f"too few: schedule.min_new_clips is {wanted:,}"])
    return News(train=True, reasons=found)


def _seen_rows(directory: RunDirectory, digest: str) -> dict[str, str]:
    """The rows of the last finished run, by id; none where its index is gone."""
    from components.example_gen.index import index_file, read_row_keys

    try:
        return read_row_keys(index_file(directory.index, digest))
    except (OSError, AuricleError):
        return {}


def _changed_settings(seen: Seen, workflow: Workflow) -> list[str]:
    before, now = flat_settings(seen.settings), flat_settings(_settings(workflow))
    return _names("changed settings", [k for k in {**before, **now} if before.get(k) != now.get(k)])


def _changed_code(seen: Seen) -> list[str]:
    return [] if seen.code == _code() else ["auricle's code or a library's version changed"]


def _too_old(seen: Seen, max_age_days: float | None, now: datetime.datetime) -> list[str]:
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


def _settings(workflow: Workflow) -> dict[str, object]:
    return workflow.model_dump(mode="json", exclude=_NOT_SETTINGS)


def _code() -> str:
    return " ".join(map(component_fingerprint, _CODE))


def _manifests(data: Data, base: Path, directory: RunDirectory) -> dict[str, str]:
    """With what the run directory adds to them and leaves out of them."""
    own = [path for path in (directory.feedback, directory.forgotten) if path.is_file()]
    paths = [*find_manifests(data, base), *own]
    return {os.path.relpath(path, base): file_digest(path) for path in paths}


def _is_as_seen(data: Data, base: Path, directory: RunDirectory, known: dict[str, str]) -> bool:
    """Whether the recordings are the files they were, by size and time."""
    if data.folder is None:
        return dict(_stamps(known)) == known
    folders = [entry.path for entry in os.scandir(base / data.folder) if entry.is_dir()]
    paths = [entry.path for folder in folders for entry in os.scandir(folder)]
    paths += [path for path in known if Path(path).parent == directory.feedback.parent]
    return dict(_stamps(os.path.abspath(path) for path in paths)) == known  # noqa: PTH100


def _stamps(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Size and time of each file that is there."""
    for path in paths:
        try:
            status = os.stat(path)  # noqa: PTH116 - of many files
        except OSError:
            continue
        yield path, f"{status.st_size} {status.st_mtime_ns}"


def _labels(listing: Listing) -> dict[str, int]:
    return dict(sorted(Counter(row.label for row in listing.utterances).items()))


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


def _read(file: Path) -> Seen | None:
    """None where there is none, or one of another version of auricle."""
    try:
        return Seen.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _read_files(directory: RunDirectory) -> dict[str, str]:
    try:
        stamps: dict[str, str] = json.loads(directory.seen_files.read_bytes())
        return stamps
    except (OSError, ValueError):
        return {}
