"""A speaker is found wherever they were heard, taken out of it, and named nowhere afterwards.

On a run directory as runs leave it, with real records, a real metadata store and a real ledger; the
command between two whole runs is tried in tests/e2e.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
from made_runs import ANN, EVE, TOM, Artifact, Runs, verdict_naming
from ml_metadata.proto import metadata_store_pb2
from typer.testing import CliRunner
from words import write_project

import pipeline.erasure.forget
import pipeline.erasure.purge
from components.evaluation.fold_models import FOLDS_FILE, group_digest, read_fold_models
from components.evaluation.score_files import read_scores
from components.storage.digests import FileDigests, tree_digest
from components.versions.ledger import read_ledger
from pipeline.cli import app
from pipeline.config.loader import read_workflow
from pipeline.dag.cache import withdraw_changed
from pipeline.datasets.feedback import read_feedback
from pipeline.datasets.rows import list_rows
from pipeline.erasure.forget import REPLACE, forget, trace
from pipeline.erasure.lineage import trace_speaker
from pipeline.metadata.artifacts import folder_number
from pipeline.runs.records import read_record
from pipeline.workspace.project import Project
from schemas.errors import InputError, RegistryError
from schemas.example import decode_example
from schemas.tfrecord import read_records
from schemas.workflow.registry import Registry
from schemas.workflow.workflow import Workflow

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Three runs: one tested on them, one trained on them, and one that never heard them."""
    made = Runs(tmp_path)
    first = made.run({"train": [("e1", EVE)], "eval": [("e2", EVE)], "test": [("a9", ANN)]})
    both = [("a1", ANN), ("a2", ANN), ("e1", EVE)]
    second = made.run({"train": both, "eval": [("a3", ANN)], "test": [("t1", TOM)]}, first)
    made.run({"train": [("e1", EVE)], "eval": [("e2", EVE)], "test": [("t1", TOM)]}, second)
    made.more_traces()
    return made


def named_in(root: Path) -> list[str]:
    """Files with their name in any spelling, also inside score tables."""
    spellings = [ANN.encode(), json.dumps(ANN)[1:-1].encode()]
    found = []
    for file in root.rglob("*"):
        if file.is_file() and file.suffix != ".npz":
            content = file.read_bytes().replace(f"{ANN}son".encode(), b"")
            if any(spelling in content for spelling in spellings):
                found.append(file.relative_to(root).as_posix())
        elif file.name == FOLDS_FILE:
            found += [str(file)] * (group_digest(ANN) in folds_in(file.parent))
        elif file.is_file() and ANN in read_scores(file).features["speaker"]:
            found.append(file.relative_to(root).as_posix())
    return sorted(found)


def test_who_heard_her(runs: Runs) -> None:
    traces = trace(runs.project, ANN)
    told = [(r.run, r.clips, r.version, r.is_served) for r in traces.runs]
    assert told == [
        (1, {"test": ["a9"]}, 1, False),
        (2, {"train": ["a1", "a2"], "eval": ["a3"]}, 2, False),
    ]
    assert (traces.rows, traces.feedback, traces.replace) == (4, 1, [2])
    served = trace(runs.project, TOM)
    assert [(r.run, r.is_served) for r in served.runs] == [(2, False), (3, True)]
    assert (served.replace, served.named_in_workflow) == ([], [])


def test_what_is_made_from_her_ends_at_a_baseline(runs: Runs) -> None:
    """The third run was compared with the second's model; that taught it nothing."""
    heard = trace_speaker(runs.directory, ANN)
    assert [sorted(each.ids) for each in heard] == [["a9"], ["a1", "a2", "a3"]]
    made = [{type_: len(found) for type_, found in each.made.items()} for each in heard]
    once = dict.fromkeys(
        (
            "Model",
            "ModelBlessing",
            "ModelEvaluation",
            "ExampleStatistics",
            "auricle.ClipScores",
            "auricle.DataVerdict",
            "auricle.IngestReport",
            "auricle.Rejects",
            "auricle.RunReport",
        ),
        1,
    )
    assert made == [once, once]


def test_afterwards_nothing_names_her(runs: Runs) -> None:
    assert len(named_in(runs.directory.local)) > 15
    manifest = (runs.base / "manifest.jsonl").read_bytes()
    forget(runs.project, ANN)
    assert named_in(runs.directory.local) == []
    assert (runs.base / "manifest.jsonl").read_bytes() == manifest
    left = {
        decode_example(record)["id"]
        for file in runs.directory.artifacts.path.glob("AudioExampleGen/examples/*/*/*")
        for record in read_records(file)
    }
    assert left == {"e1", "e2", "t1"}
    assert not runs.directory.checkpoints.exists()
    assert [log.name for log in runs.directory.logs.iterdir()] == ["2.log"]
    assert read_feedback(runs.directory) == []
    assert len(list(runs.directory.feedback.path.parent.iterdir())) == 1
    listing = list_rows(runs.project)
    assert {row.speaker for row in listing.utterances} == {EVE, TOM}
    assert listing.forgotten == 4


def test_other_runs_are_as_before(runs: Runs) -> None:
    def third() -> dict[str, str]:
        folders = runs.directory.artifacts.path.glob("*/*/*")
        newest = sorted(folders, key=lambda folder: int(folder.name))[-10:]
        return {str(folder): tree_digest(folder) for folder in newest}

    before = third()
    forget(runs.project, ANN)
    assert third() == before
    record = read_record(runs.directory.history.path / "3.json")
    assert record.verdict == verdict_naming(TOM, "t1")


def test_verdicts_and_what_drift_is_measured_from_stay_sealed(runs: Runs) -> None:
    """Or the next model would be measured against nothing."""
    forget(runs.project, ANN)
    with FileDigests() as digests:
        withdrawn = withdraw_changed(runs.store, digests, runs.directory.serving)
    kinds = sorted({Path(uri).parent.parent.name for uri in withdrawn})
    assert kinds == ["AudioExampleGen", "Evaluator", "Report", "StatisticsGen"]
    types = {type_.id: type_.name for type_ in runs.store.get_artifact_types()}
    live = [types[a.type_id] for a in runs.store.get_artifacts() if a.state == Artifact.LIVE]
    for kept in ("ModelBlessing", "auricle.DataVerdict", "Model"):
        assert live.count(kept) == 3


def test_records_and_tables_are_kept_without_her(runs: Runs) -> None:
    forget(runs.project, ANN)
    verdict = read_record(runs.directory.history.path / "1.json").verdict
    assert [s.value for s in verdict.slices] == [TOM]
    said = f"a forgotten speaker: accuracy 0.5 on 2 clips; speaker {ANN}son: accuracy 0.5"
    assert verdict.reasons == [said, "listen to a forgotten clip"]
    assert verdict.rules[0].clips == ["other"]
    first = next(runs.directory.artifacts.path.glob("Evaluator/scores/*/test.json"))
    assert read_scores(first).ids.tolist() == []


def test_versions_that_learnt_from_her_are_to_be_replaced(runs: Runs) -> None:
    forget(runs.project, ANN)
    ledger = read_ledger(runs.directory.ledger)
    assert [(r.version, r.replace) for r in ledger.versions] == [(1, ""), (2, REPLACE), (3, "")]
    assert ledger.champion == ledger.find(3)
    (runs.directory.history / "2.json").delete()
    assert trace(runs.project, EVE).replace == [1, 2, 3]  # by manifest alone


def check_nothing_is_left(runs: Runs) -> None:
    assert named_in(runs.directory.local) == []
    ledger = read_ledger(runs.directory.ledger)
    assert [r.replace for r in ledger.versions] == ["", REPLACE, ""]
    with FileDigests() as digests:
        withdrawn = withdraw_changed(runs.store, digests, runs.directory.serving)
    assert not [uri for uri in withdrawn if "blessing" in uri or "DataGate" in uri]
    traces = trace(runs.project, ANN)
    assert (traces.runs, traces.is_listed, traces.is_left) == ([], True, False)


STEPS = [
    "write_ledger",
    "drop_clips",
    "_delete_made_again",
    "_rewrite_verdict",
    "_drop_from_folds",
    "_rewrite_statistics",
    "_rewrite_history",
    "_forget_in_metadata",
    "_delete_logs",
    "_drop_from_shards",
    "_drop_examples",
    "_drop_examples later",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_anywhere_is_finished_by_the_same_command(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    name, _, later = step.partition(" ")
    module = (
        pipeline.erasure.forget
        if hasattr(pipeline.erasure.forget, name)
        else pipeline.erasure.purge
    )
    real, calls = getattr(module, name), []

    def killed(*arguments: object) -> object:
        calls.append(arguments)
        if later and len(calls) == 1:
            return real(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(KeyboardInterrupt):
            forget(runs.project, ANN)
    # Already now no run would hear them.
    assert list_rows(runs.project).forgotten >= 4
    forget(runs.project, ANN)
    check_nothing_is_left(runs)


def test_a_kill_between_seal_and_file_keeps_the_baseline(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if Path(target).name == "verdict.json" and "blessing" in str(target):
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            forget(runs.project, ANN)
    forget(runs.project, ANN)
    assert not runs.directory.scratch.exists()
    check_nothing_is_left(runs)


def test_what_a_killed_step_had_written_goes(runs: Runs) -> None:
    [execution_type] = [t for t in runs.store.get_execution_types() if t.name == "Report"]
    running = metadata_store_pb2.Execution(
        type_id=execution_type.id, last_known_state=metadata_store_pb2.Execution.RUNNING
    )
    [number] = runs.store.put_executions([running])
    page = runs.directory.artifacts.path / "Report" / "report" / str(number) / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text(f"plays {ANN}")
    forget(runs.project, ANN)
    assert not page.exists()


def test_a_cross_validation_knows_them_no_more(runs: Runs) -> None:
    """Not even by a digest, which tells who is in it to who guesses the name."""
    folders = sorted(runs.directory.artifacts.path.glob("Trainer/model/*"), key=folder_number)
    known = [folds_in(folder) for folder in folders]
    assert [group_digest(ANN) in groups for groups in known] == [True, True, False]
    forget(runs.project, ANN)
    assert [folds_in(folder) for folder in folders] == [
        groups - {group_digest(ANN)} for groups in known
    ]
    with FileDigests() as digests:
        withdrawn = withdraw_changed(runs.store, digests, runs.directory.serving)
    assert not [uri for uri in withdrawn if "Trainer" in uri]


def folds_in(folder: Path) -> set[str]:
    models = read_fold_models(folder)
    assert models is not None
    return set(models.fold_of)


def test_a_speaker_nobody_knows(runs: Runs) -> None:
    with pytest.raises(InputError, match=r"'evi'.* 'eve'"):
        trace(runs.project, "evi")
    with pytest.raises(InputError):
        forget(runs.project, "evi")
    assert not runs.directory.forgotten.path.exists()


def test_she_is_found_when_her_recordings_are_gone(runs: Runs) -> None:
    shutil.rmtree(runs.base / "clips")
    (runs.base / "manifest.jsonl").unlink()
    assert trace(runs.project, ANN).rows == 0
    forget(runs.project, ANN)
    assert named_in(runs.directory.local) == []


def test_before_any_run(tmp_path: Path) -> None:
    workflow = read_workflow(write_project(tmp_path))
    assert forget(Project(workflow, tmp_path), "ann") == []
    assert list_rows(Project(workflow, tmp_path)).forgotten == 4


def test_the_commands(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    shown = CliRunner().invoke(app, ["forget", str(runs.file), "--speaker", ANN])
    assert shown.exit_code == 0
    assert re.search(r"1 +2026-11-01 \d\d:\d\d +0 +0 +1 +1\b", shown.output)
    assert re.search(r"2 +2026-11-02 \d\d:\d\d +2 +1 +0 +2\b", shown.output)
    assert f"4 rows are of {ANN}" in shown.output
    assert "--yes" in shown.output
    assert not runs.directory.forgotten.path.exists()
    done = CliRunner().invoke(app, ["forget", str(runs.file), "--speaker", ANN, "--yes"])
    assert done.exit_code == 0, done.output
    assert re.search("4 clips .*examples, .* 1 rows .*shards", done.output)
    again = CliRunner().invoke(app, ["forget", str(runs.file), "--speaker", ANN])
    assert f"{ANN} is" in again.output
    plan = CliRunner().invoke(app, ["plan", str(runs.file)])
    assert "4 rows of forgotten" in plan.output


def test_a_workflow_that_names_her_is_told(runs: Runs) -> None:
    named = f"manifest.jsonl, split: {{test_speakers: [{ANN}]}}}}"
    runs.file.write_text(runs.file.read_text().replace("manifest.jsonl}", named))
    workflow: Workflow = read_workflow(runs.file)
    assert trace(Project(workflow, runs.base), ANN).named_in_workflow == [
        "data.split.test_speakers"
    ]


def test_nothing_is_removed_while_the_reports_in_the_registry_cannot_be(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which models heard a speaker is read from what is removed last."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Registry(kind="mlflow", uri="http://127.0.0.1:9")
    workflow = runs.workflow.model_copy(update={"registry": away})
    runs.directory.told.put(b'{"run": 3}')
    with pytest.raises(RegistryError, match="the same command again"):
        forget(Project(workflow, runs.base), ANN)
    assert [run.run for run in trace(runs.project, ANN).runs] == [1, 2]
    forget(runs.project, ANN)  # without a registry
    assert named_in(runs.directory.local) == []
