"""Run directories as runs leave them, made up component by component: real records, a real metadata
store, sealed artifacts and a ledger; no model was trained.
"""

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scored
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from pushed import LINEAGE, make_verdict, push_text
from tensorflow_metadata.proto.v0 import statistics_pb2
from words import write_clip, write_project

from components.evaluation.fold_models import (
    FOLDS_FILE,
    FoldModels,
    group_digest,
    write_fold_models,
)
from components.evaluation.score_files import SCORES_FILE
from components.example_gen.index_writer import write_index
from components.example_gen.shard_entry import Entry, Shard
from components.example_gen.shards import ShardStore
from components.example_gen.sources import list_utterances
from components.storage.contents import digest_folder
from components.storage.digests import DIGEST_PROPERTY
from components.storage.location import Location, location_of
from pipeline.config.loader import read_workflow
from pipeline.datasets.feedback import Feedback, add_feedback
from pipeline.releases.reconcile import reconcile
from pipeline.runs.records import RunRecord, write_record
from pipeline.workspace.lock import claim
from pipeline.workspace.project import Project
from schemas.example import COMMON_FEATURES, LABEL_FEATURES, encode_example
from schemas.reports.metrics import Interval, SliceMetrics
from schemas.reports.serving import ServingReport
from schemas.reports.verdict import GateRule, Verdict
from schemas.tfrecord import frame_record

Artifact, Event = metadata_store_pb2.Artifact, metadata_store_pb2.Event
ANN, EVE, TOM = "Ännchen", "eve", "tom"


def example(clip_id: str, speaker: str) -> bytes:
    values: dict[str, object] = {
        name: {"bytes": "x", "float": 0.5, "int64": 1}[kind]
        for name, kind in (COMMON_FEATURES | LABEL_FEATURES).items()
    }
    named = {"id": clip_id, "speaker": speaker, "audio": b"\0\1" * 50, "metadata": "{}"}
    return encode_example(values | named)  # type: ignore[arg-type]


def verdict_naming(speaker: str, clip_id: str) -> Verdict:
    slices = [
        SliceMetrics(
            feature="speaker",
            value=name,
            accuracy=0.5,
            interval=Interval(low=0.1, high=0.9),
            clips=2,
            is_small=True,
            difference=None,
        )
        for name in (speaker, TOM)
    ]
    said = f"speaker {speaker}: accuracy 0.5 on 2 clips; speaker {speaker}son: accuracy 0.5"
    rule = GateRule(name="slices", outcome="held", message=said, clips=[clip_id, "other"])
    changes = {"slices": slices, "rules": [rule], "reasons": [said, f"listen to {clip_id}"]}
    return make_verdict().model_copy(update=changes)


def source_of(run: int) -> str:
    """Digest of the index that a run was made from."""
    return f"{run:016d}" * 4


class Runs:
    """A run directory in which runs are made up, component by component."""

    def __init__(self, base: Path, put: Callable[[Project], Project] = lambda it: it) -> None:
        """`put` may have what is kept lie elsewhere than on the disk."""
        self.base = base
        self.file = write_project(base)
        rows = (base / "manifest.jsonl").read_text().replace('"ann"', json.dumps(ANN))
        (base / "manifest.jsonl").write_text(rows)
        self.workflow = read_workflow(self.file)
        self.project = put(Project(self.workflow, base))
        self.directory = self.project.run_directory
        with claim(self.project):
            pass
        config = metadata_store_pb2.ConnectionConfig()
        config.sqlite.filename_uri = str(self.directory.metadata)
        config.sqlite.connection_mode = 3
        self.store = MetadataStore(config)
        self.number = 0

    def make(
        self, component: str, inputs: dict[str, Artifact], **outputs: object
    ) -> list[Artifact]:
        """An execution with sealed outputs: `key=(type, {file: content})`."""
        properties = outputs.pop("properties", {})
        type_id = self.store.put_execution_type(metadata_store_pb2.ExecutionType(name=component))
        execution = metadata_store_pb2.Execution(type_id=type_id)
        for key, value in properties.items():  # type: ignore[attr-defined]
            execution.custom_properties[key].string_value = value
        [number] = self.store.put_executions([execution])
        events = [self.event(a.id, number, Event.INPUT, key) for key, a in inputs.items()]
        made = []
        for key, (type_, files) in outputs.items():  # type: ignore[misc]
            folder = self.directory.artifacts / component / key / str(number)
            for name, content in files.items():
                (folder / name).put(content)
            artifact = Artifact(
                type_id=self.store.put_artifact_type(metadata_store_pb2.ArtifactType(name=type_)),
                uri=str(folder),
                state=Artifact.LIVE,
            )
            artifact.custom_properties[DIGEST_PROPERTY].string_value = digest_folder(folder)
            [artifact.id] = self.store.put_artifacts([artifact])
            events.append(self.event(artifact.id, number, Event.OUTPUT, key))
            made.append(artifact)
        self.store.put_events(events)
        return made

    @staticmethod
    def event(artifact: int, execution: int, kind: int, key: str) -> Event:
        found = Event(artifact_id=artifact, execution_id=execution, type=kind)
        found.path.steps.add(key=key)
        return found

    def run(
        self, clips: dict[str, list[tuple[str, str]]], baseline: dict[str, Artifact] | None = None
    ) -> dict[str, Artifact]:
        """One run on `clips` (id and speaker by split), pushed; its model and verdict."""
        self.number += 1
        files = {
            f"Split-{split}/data_tfrecord-00000-of-00001": b"".join(
                frame_record(example(*clip)) for clip in rows
            )
            for split, rows in clips.items()
        }
        everyone = " ".join(f"{i} {s}" for rows in clips.values() for i, s in rows).encode()
        source = source_of(self.number)
        examples, rejects, ingest = self.make(
            "AudioExampleGen",
            {},
            properties={"index_digest": source},
            examples=("Examples", files),
            rejects=("auricle.Rejects", {"rejects.jsonl": everyone}),
            ingest_report=("auricle.IngestReport", {"counts.json": everyone}),
        )
        [statistics] = self.make(
            "StatisticsGen",
            {"examples": examples},
            statistics=("ExampleStatistics", {"Split-train/FeatureStats.pb": everyone}),
        )
        [gated] = self.make(
            "DataGate",
            {"statistics": statistics, "rejects": rejects, "ingest_report": ingest},
            verdict=("auricle.DataVerdict", {"FeatureStats.pb": statistics_of(clips["train"])}),
        )
        groups = {speaker for rows in clips.values() for _, speaker in rows}
        trained = {"saved_model.pb": b"weights", FOLDS_FILE: folds_of(groups, self.base)}
        [model] = self.make("Trainer", {"examples": examples}, model=("Model", trained))
        judged = {"examples": examples, "model": model}
        if baseline:
            judged["baseline_model"] = baseline["model"]
        scores, evaluation = self.make(
            "Evaluator",
            judged,
            scores=("auricle.ClipScores", {"empty": b""}),
            evaluation=("ModelEvaluation", {"metrics.tfrecord": everyone}),
        )
        write_table(location_of(scores.uri), clips["test"])
        test_id, test_speaker = clips["test"][0]
        verdict = verdict_naming(test_speaker, test_id)
        [blessing] = self.make(
            "ModelGate",
            {"evaluation": evaluation, "scores": scores, "model": model},
            blessing=(
                "ModelBlessing",
                {"verdict.json": verdict.model_dump_json(indent=2).encode(), "BLESSED": b""},
            ),
        )
        settings = {"data": {"split": {"eval": 0.1, "test_speakers": [test_speaker]}}}
        self.make(
            "Report",
            {"examples": examples, "model": model, "data_verdict": gated, "blessing": blessing},
            properties={"workflow": json.dumps(settings)},
            report=("auricle.RunReport", {"report.html": everyone}),
        )
        self.directory.report.put(everyone)
        version = self.push(source)
        self.record(examples, verdict, version, f"{scores.uri}/{SCORES_FILE}")
        return {"model": model, "blessing": blessing, "gated": gated, "scores": scores}

    def push(self, source: str) -> str:
        folder = push_text(self.directory.serving, f"m{self.number}", name="words")
        manifest = folder / "assets.extra/manifest.json"
        manifest.put(manifest.read().replace(LINEAGE.examples.encode(), source.encode()))
        reconcile(self.project)
        return folder.name

    def record(self, examples: Artifact, verdict: Verdict, version: str, scores: str) -> None:
        record = RunRecord(
            number=self.number,
            finished=datetime.datetime(2026, 11, self.number, tzinfo=datetime.timezone.utc),
            workflow=self.workflow,
            data=examples.custom_properties[DIGEST_PROPERTY].string_value,
            verdict=verdict,
            serving=ServingReport(passed=True, rules=[], asked=0),
            pushed_version=version,
            scores=scores,
            seconds=1.0,
        )
        write_record(record, self.directory.history)

    def more_traces(self) -> None:
        """Index, shards, rejects, logs, file digests and feedback, as runs leave them."""
        root = self.directory.local
        listing = list_utterances(self.workflow.data, self.base)
        write_index(listing, self.workflow.data, self.directory.index, self.directory.digests)
        store = ShardStore(str(self.directory.shards / "code"), "settings")
        rows = [("a1", ANN), ("e1", EVE)]
        shard = Shard("train", 0, 1, 0, 0, 2, "d" * 32)
        framed = [(i, frame_record(example(i, s))) for i, s in rows]
        store.write(shard, [([Entry(i, length=len(r))], r) for i, r in framed])
        self.directory.rejects.put(ANN.encode())
        (root / "checkpoints/code/training").mkdir(parents=True)
        self.directory.logs.mkdir()
        (self.directory.logs / "1.log").write_text(f"could not read {ANN}, so\n")
        (self.directory.logs / "2.log").write_text(f"nothing of {ANN}son\n")
        clip = write_clip(self.base / "field.wav")
        add_feedback(self.project, [clip], Feedback(label="go", speaker=ANN), ask=False)


def folds_of(groups: set[str], scratch: Path) -> bytes:
    """What a cross-validation keeps of the groups of its clips."""
    fold_of = {group_digest(group): "fold-1" for group in sorted(groups)}
    write_fold_models(FoldModels({"fold-1": [np.ones(2, np.float32)]}, fold_of), scratch)
    content = (scratch / FOLDS_FILE).read_bytes()
    (scratch / FOLDS_FILE).unlink()
    return content


def statistics_of(rows: list[tuple[str, str]]) -> bytes:
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    data_set = statistics.datasets.add()
    for name, values in (("speaker", [s for _, s in rows]), ("label", ["go"])):
        feature = data_set.features.add()
        feature.path.step.append(name)
        for value in values:
            feature.string_stats.top_values.add(value=value)
    return statistics.SerializeToString(deterministic=True)


def write_table(folder: Location, rows: list[tuple[str, str]]) -> None:
    labels = np.array(["go", "no"])
    table = scored.table(
        ids=np.array([i for i, _ in rows]),
        labels=np.array(["go"] * len(rows)),
        features={"speaker": np.array([s for _, s in rows])},
        candidate=scored.Answered(labels, np.eye(2, dtype=np.float32)[[0] * len(rows)]),
    )
    scored.write(table, folder, files=2)
