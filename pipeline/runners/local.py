"""Runs a workflow on this machine: checks what can be checked at once, then launches the graph."""

import contextlib
import datetime
import functools
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from components.evaluation.score_files import SCORES_FILE
from components.example_gen.background import write_recordings
from components.example_gen.index import IndexRef
from components.example_gen.index_writer import write_index
from components.example_gen.sources import Listing
from components.judgements import read_judgements
from components.storage.digests import DIGEST_PROPERTY, FileDigests
from components.storage.location import Location, location_of
from components.versions.serving import check_serving
from pipeline.dag.beam import beam_pipeline_args, ingest_pipeline_args
from pipeline.dag.data_schema import SCHEMA_FILE, data_schema
from pipeline.dag.fingerprint import DEPENDENCES, component_fingerprint, shards_fingerprint
from pipeline.dag.predecessors import SAME_SHARDS
from pipeline.datasets.checks import Recordings, check_inputs
from pipeline.datasets.rows import left_out_text, list_rows
from pipeline.metadata.artifacts import pushed_version
from pipeline.metadata.store import prepare_store
from pipeline.notifications import notify, problems_of, result_event, told_if_it_fails
from pipeline.releases.reconcile import reconcile, settle
from pipeline.runners.console.capture import logged_to
from pipeline.runners.console.progress import Progress
from pipeline.runners.console.step_timings import Timings
from pipeline.runners.tracking import tell_registry
from pipeline.runs.records import RunRecord, next_number, write_record
from pipeline.runs.result import RunResult
from pipeline.runs.retention import remove_old_examples
from pipeline.runs.snapshot import observe, remember
from pipeline.workspace.disk import explain_full_disk, needed_bytes, require_space
from pipeline.workspace.lock import claim
from pipeline.workspace.ownership import own_serving
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import DataGateError
from schemas.outcomes import StepOutcome
from schemas.reports.pushed import PUSHED_FILE
from schemas.reports.rejects import REJECTS_FILE
from schemas.reports.serving import SERVING_FILE, ServingReport
from schemas.reports.verdict import VERDICT_FILE, read_verdict
from schemas.text import some
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from pipeline.dag.build import RunLocations
    from pipeline.runners.launcher import Outcome

_NAMED = 5  # of the files that are ignored


def run_workflow(
    project: Project, now: datetime.datetime | None = None, *, is_scheduled: bool = False
) -> RunResult:
    """Runs a workflow, and tells how it ended. `now` is when that is, of the machine's clock if not
    given. `is_scheduled` where the schedule asks.

    Raises:
        InputError: the recordings, the run directory or the Beam options cannot be used.
    """
    project.check_runs_here()
    with told_if_it_fails(project) as begin:
        result = _run(project, now or datetime.datetime.now().astimezone(), begin, is_scheduled)
    told = notify(project, result_event(project.workflow, result))
    return result.model_copy(update={"notes": [*result.notes, *problems_of(told)]})


def _run(
    project: Project, now: datetime.datetime, begin: Callable[[], None], is_scheduled: bool
) -> RunResult:
    """The same without telling; calls `begin` when all was checked."""
    start = time.monotonic()
    workflow = project.workflow
    beam_args = beam_pipeline_args(workflow.run.beam)
    with claim(project) as directory, explain_full_disk(directory):
        listing = list_rows(project)
        observed, stamps = observe(project, listing)
        recordings = check_inputs(project, listing.utterances)
        check_serving(directory.serving)
        own_serving(project)
        read_judgements(directory.judgements)  # what cannot be read is not found at the end
        begin()
        notes = [
            *_say_listing(listing),
            *prepare_store(directory.metadata),
            *reconcile(project),
            *remove_old_examples(directory, workflow.run.keep_examples),
        ]
        require_space(directory.local, needed_bytes(workflow, len(listing.utterances)))
        log = directory.logs / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.log"
        with logged_to(log) as terminal:
            outcomes = _run_graph(
                workflow,
                directory,
                listing,
                recordings,
                beam_args,
                terminal,
                ended=functools.partial(remember, observed, stamps, directory=directory, now=now),
            )
            notes += settle(project, _version(outcomes))
            seconds = time.monotonic() - start
            record = _record(workflow, outcomes, directory, now, seconds, is_scheduled)
            notes += tell_registry(project)
        return _gather(record, outcomes, directory, log, notes)


def _say_listing(listing: Listing) -> list[str]:
    """What the rows hold besides the person's data, and what was left out of it."""
    notes = []
    if listing.feedback:
        notes.append(f"{listing.feedback:,} clips are feedback from the field")
    if listing.left_out:
        notes.append(left_out_text(listing.left_out))
    if listing.forgotten:
        notes.append(f"{listing.forgotten:,} rows of forgotten speakers were left out")
    if listing.ignored:
        notes.append(f"ignored, no recordings: {some(listing.ignored, _NAMED)}")
    return [*notes, *listing.notes]


def _run_graph(
    workflow: Workflow,
    directory: RunDirectory,
    listing: Listing,
    recordings: Recordings,
    beam_args: list[str],
    terminal: TextIO,
    ended: Callable[..., None],
) -> dict[str, "Outcome"]:
    """Runs all components; `ended` gets the digest of the data, also where a gate stopped them."""
    with Progress(terminal) as progress, FileDigests(directory.digests) as digests:
        timings = Timings(directory.timings)

        def finish(step: str, outcome: StepOutcome) -> None:
            timings.add(step, progress.finish(step, outcome), outcome)

        progress.start("Prepare")
        index = write_index(listing, workflow.data, directory.index, directory.digests)
        places = directory.index, directory.digests
        background = write_recordings(recordings.background, "background", *places)
        noise = write_recordings(recordings.noise, "noise", *places)
        ingest_args = ingest_pipeline_args(
            workflow.run.beam, len(listing.utterances), os.cpu_count() or 1
        )
        with _uncollected():
            from pipeline.dag.build import build_pipeline
            from pipeline.runners.launcher import launch_pipeline

        lists = index, background, noise
        locations = _locations(directory, lists, beam_args, ingest_args, workflow.task)
        pipeline = build_pipeline(workflow, locations)
        finish("Prepare", "done")
        try:
            outcomes = launch_pipeline(
                pipeline,
                _fingerprints(directory, workflow.task),
                digests,
                directory.serving,
                started=progress.start,
                finished=finish,
                produced=functools.partial(_after_ingest, directory),
            )
        except DataGateError:
            ended(index.digest, has_trained=False)
            raise
        ended(index.digest)
        return outcomes


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Has the garbage collector pass over what is imported inside, now and later."""
    # TensorFlow, Beam and TFX are a million objects that stay. Of a run of 20 s on 160 clips,
    # collections while they are imported took 1.1 s, and 0.3 to 0.5 s in each step that a full
    # one fell into. Those of what is left are cheap, and as many as before with 50 for 10.
    if "pipeline.runners.launcher" in sys.modules:  # a second run in a notebook
        yield
        return
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*gc.get_threshold()[:2], 50)
        if was_enabled:
            gc.enable()


def _after_ingest(directory: RunDirectory, name: str, outcome: "Outcome") -> None:
    """Puts the rejects where a person finds them, also when a gate stops the run afterwards."""
    if name != "AudioExampleGen":
        return
    rejects = location_of(outcome.artifacts["rejects"].uri) / REJECTS_FILE
    directory.rejects.put(rejects.read())
    if not outcome.is_reused:
        _remove_superseded_shards(directory)


def _locations(
    directory: RunDirectory,
    lists: tuple[IndexRef, IndexRef, IndexRef],
    beam_args: list[str],
    ingest_args: list[str],
    task: str,
) -> "RunLocations":
    from tfx.orchestration import metadata

    from pipeline.dag.build import RunLocations

    index, background, noise = lists
    trainer_code = component_fingerprint("Trainer", task=task)
    return RunLocations(
        root=str(directory.artifacts),
        serving=str(directory.serving),
        ledger=str(directory.ledger),
        judgements=str(directory.judgements),
        checkpoints=str(directory.checkpoints / trainer_code[:16]),
        timings=str(directory.timings),
        trainer_code=trainer_code,
        index_uri=index.uri,
        index_digest=index.digest,
        background_uri=background.uri,
        background_digest=background.digest,
        noise_uri=noise.uri,
        noise_digest=noise.digest,
        shards=str(_shards(directory)),
        schema_uri=str(_copy_schema(directory, task)),
        metadata=metadata.sqlite_metadata_connection_config(str(directory.metadata)),
        beam_args=beam_args,
        ingest_args=ingest_args,
    )


def _shards(directory: RunDirectory) -> Location:
    """Where shards are kept that the present code made, or that are the same byte by byte."""
    current = directory.shards / shards_fingerprint()[:16]
    for earlier in SAME_SHARDS.get(current.name, ()):
        for name, shard in list((directory.shards / earlier).files()):
            if not (current / name).is_present():
                shard.copy_to(current / name)
        (directory.shards / earlier).delete_all()
    return current


def _remove_superseded_shards(directory: RunDirectory) -> None:
    """Deletes the shards of other code; called when an ingest has put others in their place."""
    current = _shards(directory).name
    for other in directory.shards.children()[1]:
        if other != current:
            (directory.shards / other).delete_all()


def _fingerprints(directory: RunDirectory, task: str) -> dict[str, str]:
    inputs = {"ImportSchemaGen": _copy_schema(directory, task).sha256()}
    return {
        name: component_fingerprint(name, inputs.get(name, ""), task=task) for name in DEPENDENCES
    }


def _copy_schema(directory: RunDirectory, task: str) -> Location:
    """The schema at a place that is the same from wherever the run is started."""
    target = directory.root / SCHEMA_FILE.name
    target.put(data_schema(task))
    return target


def _gather(
    record: RunRecord,
    outcomes: dict[str, "Outcome"],
    directory: RunDirectory,
    log: Path,
    notes: list[str],
) -> RunResult:
    report = location_of(outcomes["Report"].artifacts["report"].uri) / "report.html"
    directory.report.put(report.read())
    pushed = directory.serving / record.pushed_version if record.pushed_version else None
    return RunResult(
        record=record,
        report=_as_said(directory.report),
        log=log,
        pushed_to=_as_said(pushed) if pushed else None,
        reused=[name for name, outcome in outcomes.items() if outcome.is_reused],
        ran=[name for name, outcome in outcomes.items() if not outcome.is_reused],
        notes=list(dict.fromkeys([*notes, *_refused_push(outcomes["Pusher"])])),
    )


def _as_said(place: Location) -> Path | str:
    return place.path if place.is_local else str(place)


def _refused_push(pusher: "Outcome") -> list[str]:
    """Why Pusher did not push a blessed model, where it did not."""
    file = location_of(pusher.artifacts["pushed_model"].uri) / PUSHED_FILE
    reason = json.loads(file.read()).get("refused", "") if file.is_present() else ""
    return [reason] if reason else []


def _version(outcomes: dict[str, "Outcome"]) -> int | None:
    """That this run's model has in the serving directory."""
    return pushed_version(outcomes["Pusher"].artifacts["pushed_model"])


def _record(
    workflow: Workflow,
    outcomes: dict[str, "Outcome"],
    directory: RunDirectory,
    now: datetime.datetime,
    seconds: float,
    is_scheduled: bool,
) -> RunRecord:
    """Keeps what was decided, and where the scores of single clips lie."""
    blessing = outcomes["ModelGate"].artifacts["blessing"]
    verdict = read_verdict(location_of(blessing.uri) / VERDICT_FILE)
    infra_blessing = location_of(outcomes["ServingCheck"].artifacts["infra_blessing"].uri)
    serving = ServingReport.model_validate_json((infra_blessing / SERVING_FILE).read())
    example_gen = outcomes["AudioExampleGen"].artifacts["examples"]
    is_blessed = blessing.custom_properties["blessed"].int_value == 1
    record = RunRecord(
        number=next_number(directory.history),
        finished=now,
        workflow=workflow,
        data=example_gen.custom_properties[DIGEST_PROPERTY].string_value,
        verdict=verdict,
        serving=serving,
        pushed_version=_version(outcomes),
        scores=f"{outcomes['Evaluator'].artifacts['scores'].uri}/{SCORES_FILE}",
        seconds=seconds,
        is_withdrawn=verdict.allows_push and not is_blessed,
        is_scheduled=is_scheduled,
    )
    write_record(record, directory.history)
    return record
