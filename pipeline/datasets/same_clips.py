"""Clips that are byte for byte a clip of the data already, and on the other side of the split."""

from collections.abc import Mapping

from components.example_gen.splits import divide
from components.storage.contents import digest_files, stamp_files
from pipeline.datasets.rows import list_rows
from pipeline.workspace.project import Project
from schemas.errors import DataError
from schemas.splits import TEST, TRAIN


def same_in_data(project: Project, digests: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """Split and id of the clip of the person's data that each of these is; of those that are one.

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
    found: dict[str, tuple[str, str]] = {}
    for split, members in divide(rows, project.workflow.data.split).items():
        for row in members:
            if (digest := contents.get(row.path, "")) in digests:
                found[digest] = split, row.id
    return found


def why_not_taken(split: str, clip_id: str, must_pass: bool) -> str:
    """Why a clip that is one of `split` cannot be learnt from, or has to pass; empty where it
    can.
    """
    same = f"is byte for byte {clip_id} of the data ({split})"
    if must_pass:
        return "" if split == TEST else f"{same}: a model that learns from it proves nothing by it"
    return "" if split == TRAIN else f"{same}: a model that learns from it cannot be tested by it"
