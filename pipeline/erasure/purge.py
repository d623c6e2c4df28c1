"""Takes a speaker out of what runs left behind.

What the next run makes again is deleted; what later runs are measured against, and what people
compare runs by, is kept without them: verdicts, statistics of the data gate, score tables, records
of runs. Each step finds nothing to do the second time, and the examples, from which everything else
is known, come last: after a kill it is simply done again.
"""

import contextlib
import json
import re
import shutil
import sqlite3
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ml_metadata.proto.metadata_store_pb2 import Artifact

from components.evaluation.fold_models import FOLDS_FILE, read_fold_models, write_fold_models
from components.evaluation.score_files import drop_clips
from components.example_gen.index import drop_rows, read_index, read_rows
from components.examples import read_file
from components.storage.contents import digest_folder
from components.storage.digests import DIGEST_PROPERTY, remove_cache
from components.storage.location import Location, location_of
from pipeline.erasure.lineage import SpeakerTrace
from pipeline.metadata.artifacts import example_files, example_folders, is_of, open_metadata
from pipeline.runs.records import read_history, write_record
from pipeline.workspace.paths import RunDirectory
from schemas.errors import AuricleError
from schemas.reports.verdict import VERDICT_FILE, Verdict, read_verdict
from schemas.tfrecord import frame_record
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from ml_metadata.metadata_store import MetadataStore

_MADE_AGAIN = {
    "ExampleStatistics": "statistics",
    "ExampleAnomalies": "anomalies",
    "ModelEvaluation": "evaluations",
    "auricle.Rejects": "lists of rejects",
    "auricle.IngestReport": "ingest reports",
    "auricle.RunReport": "reports",
}
_STATISTICS_FILE = "FeatureStats.pb"


def erase(directory: RunDirectory, speaker: str, heard: list[SpeakerTrace]) -> list[str]:
    """Removes everything of `speaker` below the run directory but what was published; says what."""
    ids = frozenset[str]().union(*(each.ids for each in heard))
    notes = _delete_made_again(directory, heard)
    store = open_metadata(directory)
    _delete_unfinished(store, directory)
    tables = sum(drop_clips(each.uri, ids) for each in _made(heard, "auricle.ClipScores"))
    for blessing in _made(heard, "ModelBlessing"):
        _rewrite_verdict(store, blessing, speaker, ids, directory.scratch)
    for model in _made(heard, "Model"):
        _drop_from_folds(store, model, speaker, directory.scratch)
    for verdict in _made(heard, "auricle.DataVerdict"):
        _rewrite_statistics(store, verdict, directory.scratch)
    records = _rewrite_history(directory, speaker, ids)
    if tables or records:
        notes.append(f"took them out of {tables:,} score tables and {records:,} records of runs")
    _forget_in_metadata(store, directory, speaker)
    if logs := _delete_logs(directory, speaker, ids):
        notes.append(f"deleted {logs:,} logs that name them")
    remove_cache(directory.digests)  # these hold the names of files
    directory.seen.delete()
    directory.seen_files.delete()
    rows = _drop_from_shards(directory, speaker)
    if clips := sum(_drop_examples(folder, speaker) for folder in example_folders(directory)):
        notes.append(f"removed {clips:,} clips from examples, and {rows:,} rows from shards")
    return notes


def _delete_unfinished(store: "MetadataStore | None", directory: RunDirectory) -> None:
    """Deletes what steps of a killed run had written, which no artifact knows of."""
    if store is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what TFX says about Python is no answer to a person
        from pipeline.dag.cache import abandon_unfinished
    abandon_unfinished(store, directory.artifacts)


def without_speaker(verdict: Verdict, speaker: str, ids: frozenset[str]) -> Verdict:
    """A verdict that neither names them nor one of their clips; its counts stay."""
    rules = [
        rule.model_copy(
            update={
                "message": _unnamed(rule.message, speaker, ids),
                "clips": [clip for clip in rule.clips if clip not in ids],
            }
        )
        for rule in verdict.rules
    ]
    return verdict.model_copy(
        update={
            "rules": rules,
            "reasons": [_unnamed(reason, speaker, ids) for reason in verdict.reasons],
            "slices": [s for s in verdict.slices if (s.feature, s.value) != ("speaker", speaker)],
        }
    )


def names_speaker(verdict: Verdict, speaker: str) -> bool:
    """Whether a verdict says how this speaker was understood."""
    return without_speaker(verdict, speaker, frozenset()) != verdict


def _unnamed(text: str, speaker: str, ids: frozenset[str]) -> str:
    text = re.sub(rf"\bspeaker {re.escape(speaker)}(?!\w)", "a forgotten speaker", text)
    for clip in ids:
        text = text.replace(clip, "a forgotten clip")
    return text


def _made(heard: list[SpeakerTrace], type_: str) -> list[Artifact]:
    found = {artifact.id: artifact for each in heard for artifact in each.made.get(type_, [])}
    return list(found.values())


def _delete_made_again(directory: RunDirectory, heard: list[SpeakerTrace]) -> list[str]:
    """Deletes what later runs make again and nobody compares with."""
    deleted = []
    for type_, name in _MADE_AGAIN.items():
        folders = [location_of(artifact.uri) for artifact in _made(heard, type_)]
        if there := [folder for folder in folders if folder.has_files()]:
            deleted.append(f"{len(there):,} {name}")
        for folder in there:
            folder.delete_all()
    directory.rejects.delete()
    if heard:
        directory.report.delete()
        if directory.checkpoints.exists():
            deleted.append("unfinished trainings")
            shutil.rmtree(directory.checkpoints)
    return [f"deleted {', '.join(deleted)}"] if deleted else []


def _rewrite_verdict(
    store: "MetadataStore | None",
    blessing: Artifact,
    speaker: str,
    ids: frozenset[str],
    scratch: Path,
) -> None:
    file = location_of(blessing.uri) / VERDICT_FILE
    if file.is_present():
        try:
            verdict = read_verdict(file)
        except ValueError:  # damaged
            file.delete()
            return
        kept = without_speaker(verdict, speaker, ids)
        if kept != verdict:
            content = kept.model_dump_json(indent=2).encode()
            _replace_sealed(store, blessing, file, content, scratch)


def _drop_from_folds(
    store: "MetadataStore | None", model: Artifact, speaker: str, scratch: Path
) -> None:
    """Takes them out of what says which model of a cross-validation has not heard whom."""
    folder = location_of(model.uri)
    models = read_fold_models(folder)
    if models is None:
        return
    kept = models.without(speaker)
    if len(kept.fold_of) == len(models.fold_of):
        return
    scratch.mkdir(parents=True)
    write_fold_models(kept, scratch)
    content = (scratch / FOLDS_FILE).read_bytes()
    shutil.rmtree(scratch)
    _replace_sealed(store, model, folder / FOLDS_FILE, content, scratch)


def _rewrite_statistics(store: "MetadataStore | None", verdict: Artifact, scratch: Path) -> None:
    """Takes the names of speakers out of what drift is measured from, which does not look there."""
    from google.protobuf.message import DecodeError
    from tensorflow_metadata.proto.v0 import statistics_pb2

    file = location_of(verdict.uri) / _STATISTICS_FILE
    if not file.is_present():
        return
    before = file.read()
    try:
        statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(before)
    except DecodeError:  # damaged
        file.delete()
        return
    for data_set in statistics.datasets:
        kept = [f for f in data_set.features if "speaker" not in (f.name, *f.path.step)]
        if len(kept) < len(data_set.features):
            del data_set.features[:]
            data_set.features.extend(kept)
    content = statistics.SerializeToString(deterministic=True)
    if content != before:
        _replace_sealed(store, verdict, file, content, scratch)


def _replace_sealed(
    store: "MetadataStore | None", artifact: Artifact, file: Location, content: bytes, scratch: Path
) -> None:
    """Changes a file of an artifact that later runs go on using, where it is what was sealed.

    On a disk the new seal comes first. A kill in between leaves a file that still names them, and a
    seal that fits what it will be. In a store it comes last, as only the store can tell it: then a
    kill leaves an artifact that the next run makes anew.
    """
    folder = location_of(artifact.uri)
    seal = artifact.custom_properties.get(DIGEST_PROPERTY)
    is_sealed = seal is not None and seal.string_value == digest_folder(folder)
    if folder.is_local:
        shutil.copytree(folder.path, scratch)
        (location_of(scratch) / file.relative_to(folder)).put(content)
        _seal(store, artifact, digest_folder(scratch), is_sealed)
        shutil.rmtree(scratch)
        file.put(content)
    else:
        file.put(content)
        _seal(store, artifact, digest_folder(folder), is_sealed)


def _seal(store: "MetadataStore | None", artifact: Artifact, digest: str, is_sealed: bool) -> None:
    if store is not None and is_sealed:
        artifact.custom_properties[DIGEST_PROPERTY].string_value = digest
        store.put_artifacts([artifact])


def _rewrite_history(directory: RunDirectory, speaker: str, ids: frozenset[str]) -> int:
    """Takes them out of the records of runs; says out of how many."""
    changed = 0
    for record in read_history(directory.history):
        kept = record.model_copy(
            update={
                "verdict": without_speaker(record.verdict, speaker, ids),
                "workflow": _without_name(record.workflow, speaker),
            }
        )
        if kept != record:
            write_record(kept, directory.history)
            changed += 1
    return changed


def _without_name(workflow: Workflow, speaker: str) -> Workflow:
    split = workflow.data.split
    named = {
        key: [name for name in getattr(split, key) if name != speaker]
        for key in ("eval_speakers", "test_speakers")
    }
    data = workflow.data.model_copy(update={"split": split.model_copy(update=named)})
    return workflow.model_copy(update={"data": data})


def _forget_in_metadata(
    store: "MetadataStore | None", directory: RunDirectory, speaker: str
) -> None:
    """Takes them out of the workflows of reports, and out of the store's free space.

    Nothing else of a speaker is a property of an execution.
    """
    if store is None:
        return
    changed = []
    for execution in store.get_executions():
        for properties in (execution.properties, execution.custom_properties):
            if "workflow" not in properties:
                continue
            settings = json.loads(properties["workflow"].string_value)
            split = settings.get("data", {}).get("split", {})
            named = [key for key, value in split.items() if isinstance(value, list)]
            if not any(speaker in split[key] for key in named):
                continue
            for key in named:
                split[key] = [name for name in split[key] if name != speaker]
            properties["workflow"].string_value = json.dumps(settings)
            changed.append(execution)
    store.put_executions(changed)
    with contextlib.closing(sqlite3.connect(directory.metadata)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _delete_logs(directory: RunDirectory, speaker: str, ids: Iterable[str]) -> int:
    """Deletes every log with their name, or the id of a clip of theirs; says how many."""
    words = sorted({speaker, *ids}, key=len, reverse=True)
    names = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)".encode())
    logs = [log for log in directory.logs.glob("*") if names.search(log.read_bytes())]
    for log in logs:
        log.unlink()
    return len(logs)


def _drop_from_shards(directory: RunDirectory, speaker: str) -> int:
    """Takes their rows out of the shards, then out of the indexes, which know the rejected ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Beam says about Python is no answer to a person
        from components.example_gen.shards import drop_records
    keys: set[str] = set()
    indexes = directory.index.matching("index-*.jsonl")
    for file in indexes:
        with contextlib.suppress(AuricleError), file.open() as lines:
            for shard in read_index(lines).shards:
                keys |= {r["key"] for r in read_rows(lines, shard) if r["speaker"] == speaker}
    rows = sum(
        drop_records(str(folder), lambda record: is_of(record, speaker), frozenset(keys - {""}))
        for folder in map(directory.shards.__truediv__, directory.shards.children()[1])
    )
    for file in indexes:
        try:
            drop_rows(file, speaker)
        except AuricleError:  # nobody can read who is in it
            file.delete()
    return rows


def _drop_examples(folder: Location, speaker: str) -> int:
    """Takes them out of examples, which the next run makes again; a damaged file goes."""
    dropped = 0
    for file in example_files(folder):
        try:
            records = list(read_file(file))
        except AuricleError:
            file.delete()
            continue
        kept = [record for record in records if not is_of(record, speaker)]
        if len(kept) < len(records):
            file.put(b"".join(map(frame_record, kept)))
            dropped += len(records) - len(kept)
    return dropped
