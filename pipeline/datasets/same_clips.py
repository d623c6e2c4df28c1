"""Clips that are byte for byte a clip of the data already, with another use or another label."""

from collections.abc import Mapping
from typing import NamedTuple

from components.example_gen.splits import divide
from components.storage.contents import digest_files, stamp_files
from pipeline.datasets.rows import list_rows
from pipeline.workspace.project import Project
from schemas.errors import DataError
from schemas.splits import TEST, TRAIN
from schemas.text import plain


class SameClip(NamedTuple):
    """A clip of the person's data, and what is to be learnt of it."""

    split: str
    id: str
    target: str


def same_in_data(project: Project, digests: Mapping[str, int]) -> dict[str, SameClip]:
    """The clip of the person's data that each of these is; of those that are one.

    `digests` are SHA-256 of clips with their sizes in bytes. Only files of the same size are read,
    and those not again that a run has read.
    """
    try:
        rows = list_rows(project).utterances
    except DataError:  # nothing can be used: a run will say so
        return {}
    field = f"{project.run_directory.feedback.parent}/"
    rows = [row for row in rows if not row.path.startswith(field)]
    sizes = {str(size) for size in digests.values()}
    local = {row.path for row in rows if row.path and "://" not in row.path}
    alike = {path for path, stamp in stamp_files(local) if stamp.partition("-")[0] in sizes}
    contents = digest_files(alike, project.run_directory.digests)
    found: dict[str, SameClip] = {}
    for split, members in divide(rows, project.workflow.data.split).items():
        for row in members:
            if (digest := contents.get(row.path, "")) in digests:
                found[digest] = SameClip(split, row.id, row.target)
    return found


def why_not_taken(same: SameClip, label: str, must_pass: bool) -> str:
    """Why a clip that is one of the data cannot be learnt from as `label`, or have to pass; empty
    where it can.
    """
    what = f"is byte for byte {same.id} of the data ({same.split})"
    if same.target != plain(label):
        return f"{what}, which is labelled {same.target!r}: mend the label there"
    if must_pass and same.split != TEST:
        return f"{what}: a model that learns from it proves nothing by it"
    if not must_pass and same.split != TRAIN:
        return f"{what}: a model that learns from it cannot be tested by it"
    return ""
