"""Forgets a speaker: says who heard them, takes them out, and has models that learnt from them
replaced.

The list of the forgotten is written first, so that no later run hears them; then the models are
marked, and then `pipeline.erasure.purge` does its work. Whatever it is killed in, the same command
finishes it. What the person wrote themselves, recordings, manifests and the workflow, is only
spoken of.
"""

import contextlib
import datetime
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from components.example_gen.sources import list_utterances
from components.versions.ledger import read_ledger, write_ledger
from components.versions.serving import pushed_versions
from pipeline.datasets.feedback import FeedbackClip, drop_clips, read_feedback
from pipeline.datasets.suppression import read_forgotten, write_forgotten
from pipeline.erasure.lineage import SpeakerTrace, trace_speaker
from pipeline.erasure.purge import erase, names_speaker
from pipeline.releases.reconcile import reconcile
from pipeline.releases.registry import delete_reports
from pipeline.runs.records import RunRecord, read_history
from pipeline.workspace.lock import check_reader, claim
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import DataError, InputError
from schemas.reports.ingest import INGEST_REPORT_FILE, IngestReport
from schemas.reports.verdict import read_verdict
from schemas.text import nearest, plain
from schemas.utterance import Utterance
from schemas.versions import VERSION_VERDICT_FILE, Ledger

REPLACE = "trained on a speaker who is to be forgotten"


class HearingRun(BaseModel):
    """A run that heard them: ids of their clips by split, and the version it became; `run` and
    `finished` are None of data that no run was judged on.
    """

    run: int | None
    finished: datetime.datetime | None
    clips: dict[str, list[str]]
    version: int | None
    is_served: bool


class Traces(BaseModel):
    """All that is known of a speaker. `rows` are of the person's data, which stays as it is.

    `replace` are versions that learnt from them, `naming` those whose verdict or card names them.
    """

    speaker: str
    runs: list[HearingRun]
    rows: int
    feedback: int
    replace: list[int]
    naming: list[int]
    named_in_workflow: list[str]
    is_listed: bool

    @property
    def is_left(self) -> bool:
        """Whether there is something to remove."""
        return not self.is_listed or bool(self.runs or self.feedback)


def trace(project: Project, speaker: str) -> Traces:
    """What is known of a speaker; changes nothing.

    Raises:
        InputError: nobody knows them.
    """
    check_reader(project)
    return _trace(project, speaker)[0]


def forget(project: Project, speaker: str) -> list[str]:
    """Forgets a speaker, and says what was done.

    Raises:
        InputError: nobody knows them.
        RegistryError: the model registry does not answer; its reports still play their clips, so
            nothing was removed yet, and the same command goes on.
        RunDirectoryError: the run directory is in use, or cannot be written.
    """
    with claim(project) as directory:
        traces, heard, clips = _trace(project, speaker)
        speaker = traces.speaker
        write_forgotten(read_forgotten(directory).with_speaker(speaker), directory)
        notes = delete_reports(project, {each.digest for each in heard})
        notes += reconcile(project)
        ledger = read_ledger(directory.ledger)
        for version in traces.replace:
            record = ledger.find(version)
            if record is not None and not record.replace:
                ledger = ledger.changed(version, replace=REPLACE)
        if ledger.versions:
            write_ledger(ledger, directory.ledger)
            notes += reconcile(project)
        if clips:
            drop_clips(directory, clips)
            notes.append(f"deleted {len(clips):,} feedback clips")
        return notes + erase(directory, speaker, heard)


def _trace(project: Project, speaker: str) -> tuple[Traces, list[SpeakerTrace], list[FeedbackClip]]:
    directory = project.run_directory
    own = _own_rows(project)
    rows = sum(row.speaker == speaker for row in own)
    feedback = read_feedback(directory)
    clips = [clip for clip in feedback if clip.speaker == speaker]
    heard = trace_speaker(directory, speaker)
    is_listed = read_forgotten(directory).has(speaker)
    if not (rows or clips or heard or is_listed):
        if plain(speaker) != speaker:
            return _trace(project, plain(speaker))
        known = {row.speaker for row in own} | {clip.speaker or "" for clip in feedback}
        _refuse(speaker, sorted((known | _ever_heard(directory)) - {""}))
    ledger = read_ledger(directory.ledger)
    runs = list(_runs(heard, read_history(directory.history), ledger))
    split = project.workflow.data.split
    traces = Traces(
        speaker=speaker,
        runs=runs,
        rows=rows,
        feedback=len(clips),
        replace=_taught(heard, runs, ledger),
        naming=_naming(directory, speaker),
        named_in_workflow=[
            f"data.split.{key}"
            for key in ("eval_speakers", "test_speakers")
            if speaker in getattr(split, key)
        ],
        is_listed=is_listed,
    )
    return traces, heard, clips


def _own_rows(project: Project) -> Sequence[Utterance]:
    """All rows of the person's data, whoever is forgotten; none where the data is gone."""
    whole = project.workflow.data.model_copy(update={"cut": None})
    try:
        return list_utterances(whole, project.folder, task=project.workflow.task).utterances
    except DataError:
        return []


def _runs(heard: list[SpeakerTrace], records: list[RunRecord], ledger: Ledger) -> list[HearingRun]:
    """A line for each run on examples with their clips, and for such examples that none was judged
    on.
    """
    found = []
    for each in heard:
        on_it: list[RunRecord | None] = [
            record for record in records if each.digest and record.data == each.digest
        ]
        pushed = max(each.versions, default=None)
        for record in on_it or [None]:
            version = record.pushed_version if record and record.pushed_version else pushed
            found.append(
                HearingRun(
                    run=record.number if record else None,
                    finished=record.finished if record else None,
                    clips=each.clips,
                    version=version,
                    is_served=version is not None and _is_served(ledger, version),
                )
            )
    return found


def _is_served(ledger: Ledger, version: int) -> bool:
    record, champion = ledger.find(version), ledger.champion
    return bool(record and champion and record.content == champion.content)


def _taught(heard: list[SpeakerTrace], runs: list[HearingRun], ledger: Ledger) -> list[int]:
    """Every version whose model learnt from them, also under another number."""
    versions = {v for each in heard if each.is_trained_on for v in each.versions}
    versions |= {run.version for run in runs if run.version and _is_taught(run)}
    contents = {record.content for record in ledger.versions if record.version in versions}
    return sorted(record.version for record in ledger.versions if record.content in contents)


def _is_taught(run: HearingRun) -> bool:
    return any(run.clips.get(split) for split in ("train", "eval"))


def _naming(directory: RunDirectory, speaker: str) -> list[int]:
    found = []
    for number, folder in pushed_versions(directory.serving):
        with contextlib.suppress(OSError, ValidationError):  # made by hand, or damaged
            verdict = read_verdict(folder / VERSION_VERDICT_FILE)
            if names_speaker(verdict, speaker):
                found.append(number)
    return found


def _ever_heard(directory: RunDirectory) -> set[str]:
    """The speakers of all ingests."""
    names: set[str] = set()
    reports = directory.artifacts / "AudioExampleGen" / "ingest_report"
    for file in reports.matching(f"*/{INGEST_REPORT_FILE}"):
        report = IngestReport.model_validate_json(file.read())
        names |= {name for counts in report.splits.values() for name in counts.speakers}
    return names


def _refuse(speaker: str, known: list[str]) -> None:
    if not known:
        raise InputError(f"--speaker: {speaker!r}, but no clip names a speaker")
    near = nearest(speaker, known)
    raise InputError(f"--speaker: nobody knows {speaker!r}; nearest name: {near!r}")
