"""Runs a workflow on this machine: checks what can be checked at once, then launches the graph."""

import datetime
import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from components.digests import FileDigests, file_digest
from components.evaluation.scores import SCORES_FILE
from components.evaluation.slices import check_slices
from components.example_gen.index import IndexRef, write_index
from components.example_gen.sources import Listing
from components.example_gen.splits import check_data_set
from components.versions.serving import check_serving
from pipeline.beam_options import beam_pipeline_args, ingest_pipeline_args
from pipeline.fingerprint import DEPENDENCES, component_fingerprint
from pipeline.history import RunRecord, next_number, write_record
from pipeline.listing import list_rows
from pipeline.logs import logged_to
from pipeline.plan import needed_bytes
from pipeline.progress import Progress
from pipeline.run_directory import (
    DIGEST_PROPERTY,
    RunDirectory,
    claim,
    explain_full_disk,
    locate_run_directory,
    require_space,
)
from pipeline.versions import settle
from schemas.reports import (
    PUSHED_FILE,
    REJECTS_FILE,
    SERVING_FILE,
    VERDICT_FILE,
    ServingReport,
    Verdict,
)
from schemas.workflow import Workflow

if TYPE_CHECKING:
    from pipeline.graph import Place
    from pipeline.runners.launch import Outcome

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "utterance.pbtxt"


@dataclass(frozen=True)
class RunResult:
    """What a run did, and where its results are; `pushed_to` is None where a gate refused."""

    verdict: Verdict
    serving: ServingReport
    report: Path
    log: Path
    pushed_to: Path | None
    reused: list[str]
    ran: list[str]
    seconds: float
    notes: list[str]


def run_workflow(workflow: Workflow, base: Path) -> RunResult:
    """Runs the workflow; relative paths in it are meant from `base`.

    Raises:
        InputError: the recordings, the run directory or the Beam options cannot be used.
    """
    start = time.monotonic()
    directory = locate_run_directory(workflow, base)
    beam_args = beam_pipeline_args(workflow.run.beam)
    with claim(directory, workflow), explain_full_disk(directory):
        listing = list_rows(workflow, base)
        check_data_set(listing.utterances, workflow.data.split)
        check_slices(workflow.gate.accuracy.slices, listing.utterances)
        require_space(directory.root, needed_bytes(workflow, len(listing.utterances)))
        check_serving(directory.serving)
        notes = _say_listing(listing) + settle(workflow, directory)
        log = directory.logs / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
        with logged_to(log) as terminal:
            outcomes = _run_graph(workflow, directory, listing, beam_args, terminal)
            notes += settle(workflow, directory)
        result = _gather(outcomes, directory, log, time.monotonic() - start, notes)
        _record(workflow, outcomes, directory, result)
        return result


def _say_listing(listing: Listing) -> list[str]:
    """What the rows hold besides the person's data, and what was left out of it."""
    said = []
    if listing.feedback:
        said.append(f"{listing.feedback:,} clips are feedback from the field")
    if listing.forgotten:
        said.append(f"{listing.forgotten:,} rows of forgotten speakers were left out")
    return said


def _run_graph(
    workflow: Workflow,
    directory: RunDirectory,
    listing: Listing,
    beam_args: list[str],
    terminal: TextIO,
) -> dict[str, "Outcome"]:
    with Progress(terminal) as progress, FileDigests(directory.digests) as digests:
        progress.start("Prepare")
        index = write_index(listing, workflow.data, directory.index, directory.digests)
        ingest_args = ingest_pipeline_args(
            workflow.run.beam, len(listing.utterances), os.cpu_count() or 1
        )
        from pipeline.graph import build_pipeline
        from pipeline.runners.launch import launch_pipeline

        place = _place(directory, index, beam_args, ingest_args)
        pipeline = build_pipeline(workflow, place)
        progress.finish("Prepare", "done")
        return launch_pipeline(
            pipeline,
            _fingerprints(directory),
            digests,
            directory.serving,
            started=progress.start,
            finished=progress.finish,
            produced=lambda name, outcome: _publish_rejects(name, outcome, directory),
        )


def _publish_rejects(name: str, outcome: "Outcome", directory: RunDirectory) -> None:
    """Puts the rejects where a person finds them, also when a gate stops the run afterwards."""
    if name == "AudioExampleGen":
        rejects = Path(outcome.artifacts["rejects"].uri) / REJECTS_FILE
        _replace_file(rejects, directory.rejects)


def _replace_file(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    draft = target.with_suffix(".draft")
    shutil.copyfile(source, draft)
    draft.replace(target)


def _place(
    directory: RunDirectory, index: IndexRef, beam_args: list[str], ingest_args: list[str]
) -> "Place":
    from tfx.orchestration import metadata

    from components.baseline import BlessedBeforeStrategy, PassedBeforeStrategy
    from pipeline.graph import Place

    trainer_code = component_fingerprint("Trainer")
    return Place(
        root=str(directory.artifacts),
        serving=str(directory.serving),
        ledger=str(directory.ledger),
        checkpoints=str(directory.checkpoints / trainer_code[:16]),
        trainer_code=trainer_code,
        index_uri=index.uri,
        index_digest=index.digest,
        shards=str(_shards(directory)),
        schema_uri=str(_copy_schema(directory)),
        metadata=metadata.sqlite_metadata_connection_config(str(directory.metadata)),
        beam_args=beam_args,
        ingest_args=ingest_args,
        baseline_strategy=BlessedBeforeStrategy,
        passed_before_strategy=PassedBeforeStrategy,
    )


def _shards(directory: RunDirectory) -> Path:
    """Where shards are kept that the present code made; those of other code are deleted."""
    current = directory.shards / component_fingerprint("AudioExampleGen")[:16]
    current.mkdir(parents=True, exist_ok=True)
    for other in directory.shards.iterdir():
        if other != current:
            shutil.rmtree(other)
    return current


def _fingerprints(directory: RunDirectory) -> dict[str, str]:
    inputs = {"ImportSchemaGen": file_digest(_copy_schema(directory))}
    return {name: component_fingerprint(name, inputs.get(name, "")) for name in DEPENDENCES}


def _copy_schema(directory: RunDirectory) -> Path:
    """The schema at a path that is the same from whatever checkout the run is started."""
    target = directory.root / SCHEMA_FILE.name
    shutil.copyfile(SCHEMA_FILE, target)
    return target


def _gather(
    outcomes: dict[str, "Outcome"],
    directory: RunDirectory,
    log: Path,
    seconds: float,
    notes: list[str],
) -> RunResult:
    blessing = Path(outcomes["ModelGate"].artifacts["blessing"].uri)
    verdict = Verdict.model_validate_json((blessing / VERDICT_FILE).read_text())
    infra_blessing = Path(outcomes["ServingCheck"].artifacts["infra_blessing"].uri)
    serving = ServingReport.model_validate_json((infra_blessing / SERVING_FILE).read_text())
    report = Path(outcomes["Report"].artifacts["report"].uri) / "report.html"
    _replace_file(report, directory.report)
    pushed = outcomes["Pusher"].artifacts["pushed_model"].custom_properties
    return RunResult(
        verdict=verdict,
        serving=serving,
        report=directory.report,
        log=log,
        pushed_to=(
            Path(pushed["pushed_destination"].string_value)
            if pushed["pushed"].int_value == 1
            else None
        ),
        reused=[name for name, outcome in outcomes.items() if outcome.is_reused],
        ran=[name for name, outcome in outcomes.items() if not outcome.is_reused],
        seconds=seconds,
        notes=notes + _refused_push(outcomes["Pusher"]),
    )


def _refused_push(pusher: "Outcome") -> list[str]:
    """Why Pusher did not push a blessed model, where it did not."""
    file = Path(pusher.artifacts["pushed_model"].uri) / PUSHED_FILE
    reason = json.loads(file.read_text()).get("refused", "") if file.exists() else ""
    return [reason] if reason else []


def _record(
    workflow: Workflow,
    outcomes: dict[str, "Outcome"],
    directory: RunDirectory,
    result: RunResult,
) -> None:
    """Keeps what was decided, and where the scores of single clips lie."""
    example_gen = outcomes["AudioExampleGen"].artifacts["examples"]
    scores = Path(outcomes["Evaluator"].artifacts["scores"].uri) / SCORES_FILE
    record = RunRecord(
        number=next_number(directory.history),
        finished=datetime.datetime.now().astimezone(),
        workflow=workflow,
        data=example_gen.custom_properties[DIGEST_PROPERTY].string_value,
        verdict=result.verdict,
        serving=result.serving,
        pushed_version=result.pushed_to.name if result.pushed_to else None,
        scores=str(scores),
        seconds=result.seconds,
    )
    write_record(record, directory.history)
