"""What a finished run was made from: settings, code, manifests, labels and files."""

import datetime
import itertools
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from components.example_gen.label_folders import list_files
from components.example_gen.patterns import place_of
from components.example_gen.sources import Listing, find_manifests
from components.storage.location import Location
from components.tasks import feeding
from pipeline.dag.fingerprint import component_fingerprint, shards_fingerprint
from pipeline.runs.stamps import Stamp, Stamps, stamps_now, write_stamps
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import InputError
from schemas.tasks import bring_up_to_date
from schemas.workflow.workflow import Workflow

# Blocks that say when and where, not what is trained.
_NOT_SETTINGS = {"schedule", "run", "push", "registry", "serving_check", "notify"}


class RunSnapshot(BaseModel):
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

    @field_validator("settings")
    @classmethod
    def _bring_up_to_date(cls, settings: dict[str, object]) -> dict[str, object]:
        """Those written before each task had a gate."""
        return bring_up_to_date(settings)


@dataclass(frozen=True)
class Observation:
    """What a run is made from, taken before it begins: files may change while it goes on."""

    settings: dict[str, object]
    code: str
    manifests: dict[str, str]
    labels: dict[str, int]


def observe(project: Project, listing: Listing) -> tuple[Observation, Stamps]:
    """What a run of `listing` is made from, and of its recordings the stamps."""
    observed = Observation(
        settings=trained_settings(project.workflow),
        code=trained_code(project.workflow.task),
        manifests=manifest_digests(project),
        labels=label_counts(listing),
    )
    return observed, recording_stamps(listing)


def remember(
    observed: Observation,
    stamps: Iterable[Stamp],
    data: str,
    directory: RunDirectory,
    now: datetime.datetime,
    *,
    has_trained: bool = True,
) -> None:
    """Writes down what a finished run was made from; `data` is the digest of its source index."""
    before = read_snapshot(directory.seen)
    seen = RunSnapshot(
        finished=now,
        trained=now if has_trained else before and before.trained,
        settings=observed.settings,
        code=observed.code,
        manifests=observed.manifests,
        labels=observed.labels,
        data=data,
    )
    write_stamps(stamps, directory.seen_files)
    directory.seen.put(seen.model_dump_json().encode())


def trained_settings(workflow: Workflow) -> dict[str, object]:
    """The settings that matter to a model, by block."""
    return workflow.model_dump(mode="json", exclude=_NOT_SETTINGS)


def trained_code(task: str) -> str:
    """Keys of the code and libraries that make examples and train a model of a task."""
    return f"{shards_fingerprint()} {component_fingerprint('Trainer', task=task)}"


def manifest_digests(project: Project) -> dict[str, str]:
    """With what the run directory adds to them and leaves out of them; of a folder its lists."""
    directory, folder = project.run_directory, project.folder
    own = [path for path in (directory.feedback, directory.forgotten) if path.is_present()]
    data = project.workflow.data
    lists = list_files(place_of(data.folder, folder)) if data.folder is not None else []
    paths = [*find_manifests(data, folder), *lists, *own]
    try:
        return {_name_from(folder, path): path.digest() for path in paths}
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error


def _name_from(folder: Path, place: Location) -> str:
    return os.path.relpath(place.path, folder) if place.is_local else str(place)


def label_counts(listing: Listing) -> dict[str, int]:
    """Clips of each label, by name; none of targets that form no groups."""
    if feeding.features(listing.task).GROUPED_BY is None:
        return {}
    return dict(sorted(Counter(row.target for row in listing.utterances).items()))


def read_snapshot(file: Location) -> RunSnapshot | None:
    """None where there is none, or one of another version of auricle."""
    try:
        return RunSnapshot.model_validate_json(file.read())
    except (OSError, ValidationError):
        return None


def recording_stamps(listing: Listing) -> Stamps:
    """The stamp of each recording that is there, by its path: of objects that of their listing."""
    others = Stamps((row.path, "") for row in listing.utterances if row.path and not row.seen)
    seen = ((row.path, row.seen.stamp) for row in listing.utterances if row.seen)
    return Stamps(itertools.chain(seen, stamps_now(path for path, _ in others)))
