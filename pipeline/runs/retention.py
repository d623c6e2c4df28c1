"""What old runs leave on the disk is removed, so that a schedule can go on for years.

Examples are nearly all of it: each run on other data has a copy of every clip. Their lineage stays:
the metadata store, and the index, which names every row.
"""

import itertools
import time
from typing import TYPE_CHECKING

from ml_metadata.proto import metadata_store_pb2

from components.example_gen.index import index_file
from components.storage.digests import DIGEST_PROPERTY
from pipeline.metadata.artifacts import example_folders, index_digests, text_property
from pipeline.metadata.store import open_store
from pipeline.runs.records import read_history
from pipeline.workspace.paths import RunDirectory
from schemas.errors import InputError

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_YOUNG_S = 86400
_DELETED = metadata_store_pb2.Artifact.DELETED


def remove_old_examples(directory: RunDirectory, keep: int) -> list[str]:
    """Deletes the examples of all but the last `keep` data sets that runs were judged on, and of
    the last ingest; says how many. To be called by who holds the run directory.

    Where a record cannot be read, none are deleted, and that is said: it must not stop a run.
    """
    try:
        records = read_history(directory.history)
    except InputError as error:
        return [f"old examples were kept: {error}"]
    store = open_store(directory.metadata)
    data = dict.fromkeys(record.data for record in reversed(records))
    kept = set(itertools.islice(data, keep))
    removed_bytes, removed = 0, 0
    for folder in example_folders(directory)[:-1]:
        artifacts = store.get_artifacts_by_uri(str(folder))
        if any(text_property(a, DIGEST_PROPERTY) in kept for a in artifacts):
            continue
        for artifact in artifacts:
            artifact.state = _DELETED
        store.put_artifacts(artifacts)
        removed_bytes += sum(entry.size_bytes for _, entry in folder.entries())
        folder.delete_all()
        removed += 1
    _remove_unused_indexes(directory, store)
    if not removed:
        return []
    return [f"deleted the examples of {removed:,} old ingests, {removed_bytes / 1e6:,.0f} MB"]


def _remove_unused_indexes(directory: RunDirectory, store: "MetadataStore") -> None:
    """Those of looks that led to no run."""
    digests = index_digests(store.get_executions())
    used = {index_file(directory.index, digest) for digest in digests}
    for file in directory.index.matching("index-*.jsonl"):
        entry = file.entry()
        # Another check may be reading a young one.
        if file not in used and entry and time.time() - entry.written_s > _YOUNG_S:
            file.delete()
