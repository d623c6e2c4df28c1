"""The run directory: what lies where in it, whose it is, and that only one run writes it at a time.

runs/<workflow name>/
    workflow.json      the workflow this directory belongs to, and the directory's id
    format.json        the format it is written in
    metadata.sqlite    ML Metadata: every execution and artifact
    artifacts/         what the components wrote
    serving/<version>/ the published models; serving/owner.json says whose they are
    versions.json      all versions there ever were, and what became of them
    registry.sqlite    the embedded model registry, an MLflow database; its files in registry/
    report.html        the last run's report
    timings.json       how long the steps of the last run took
    rejects/           the rows that the last ingest could not use, with reasons
    index/             the source index: every row, where its audio is, its content's hash; and the
                       list of background recordings
    shards/            finished shards of the last ingest, so that the next redoes what changed
    checkpoints/       unfinished trainings, to be continued
    feedback/          clips from the field, and the manifest that joins them to the data
    forgotten.json     the speakers that later runs leave out, without their names
    logs/              a file a run
    history/           a record of each judged run, by number
    told.json          the last run that the model registry was told of
    judgements.jsonl   which test clips gave which verdicts, under which gate
    seen.json          what the last finished run was made from; its recordings in seen-files.json
    decisions.jsonl    what the schedule decided each time, and why
    schedule.sqlite    when it is due next
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from components.storage.location import Location, location_of
from schemas.errors import RunDirectoryError
from schemas.reports.rejects import REJECTS_FILE
from schemas.reports.step_timings import TIMINGS_FILE
from schemas.workflow.workflow import Workflow

_DIGEST_DIGITS = 8


@dataclass(frozen=True)
class RunDirectory:
    """The places of one run directory.

    What is kept lies below `root` and `serving`, in any storage. What needs a disk lies below
    `local`: SQLite files, logs and unfinished work. Of the metadata store `root` keeps a copy
    (`kept_metadata`).
    """

    root: Location
    serving: Location
    local: Path

    @property
    def format(self) -> Location:
        """The format it is written in, by which a newer one is told."""
        return self.root / "format.json"

    @property
    def metadata(self) -> Path:
        return self.local / "metadata.sqlite"

    @property
    def artifacts(self) -> Location:
        return self.root / "artifacts"

    @property
    def index(self) -> Location:
        return self.root / "index"

    @property
    def scratch(self) -> Path:
        """For who holds the run directory; what is found there was left by a kill."""
        return self.local / ".scratch"

    @property
    def digests(self) -> Path:
        return self.local / "digests.sqlite"

    @property
    def checkpoints(self) -> Path:
        return self.local / "checkpoints"

    @property
    def shards(self) -> Location:
        return self.root / "shards"

    @property
    def logs(self) -> Path:
        return self.local / "logs"

    @property
    def rejects(self) -> Location:
        return self.root / "rejects" / REJECTS_FILE

    @property
    def ledger(self) -> Location:
        return self.root / "versions.json"

    @property
    def step(self) -> Location:
        """There while a rollback or promotion goes on: the newest version before it."""
        return self.root / ".step"

    @property
    def agreed(self) -> Location:
        """What ledger and registry were when they were last seen to agree."""
        return self.root / ".agreed"

    @property
    def history(self) -> Location:
        return self.root / "history"

    @property
    def told(self) -> Location:
        return self.root / "told.json"

    @property
    def judgements(self) -> Location:
        return self.root / "judgements.jsonl"

    @property
    def seen(self) -> Location:
        return self.root / "seen.json"

    @property
    def seen_files(self) -> Location:
        return self.root / "seen-files.json"

    @property
    def decisions(self) -> Location:
        return self.root / "decisions.jsonl"

    @property
    def files(self) -> list[Location]:
        """All that are replaced whole, or added to."""
        written = (self.format, self.ledger, self.step, self.told, self.judgements, self.seen)
        return [
            *written,
            self.agreed,
            self.seen_files,
            self.decisions,
            self.forgotten,
            self.report,
            self.rejects,
            self.feedback,
        ]

    @property
    def schedule(self) -> Path:
        return self.local / "schedule.sqlite"

    @property
    def feedback(self) -> Location:
        """The manifest of the clips from the field, which lie beside it."""
        return self.root / "feedback" / "manifest.jsonl"

    @property
    def forgotten(self) -> Location:
        return self.root / "forgotten.json"

    @property
    def report(self) -> Location:
        return self.root / "report.html"

    @property
    def timings(self) -> Path:
        return self.local / TIMINGS_FILE


def locate_run_directory(workflow: Workflow, folder: Path) -> RunDirectory:
    """Where this workflow runs; relative paths are meant from `folder`, where its file lies.

    A run directory in an object store has a folder on this machine besides, which names it by a
    digest: two of one workflow do not meet there.

    Raises:
        RunDirectoryError: no storage is known for the scheme of a URI.
    """
    written = workflow.run.directory or f"runs/{workflow.name}"
    if "://" in written:
        root = _in_a_store(written, "run.directory")
        digest = hashlib.sha256(str(root).encode()).hexdigest()[:_DIGEST_DIGITS]
        local = (folder / "runs" / f"{workflow.name}.{digest}").resolve()
    else:
        local = (folder / written).resolve()
        root = location_of(local)
    return RunDirectory(root, _serving(root, workflow.push.directory), local)


def _serving(root: Location, written: str) -> Location:
    """`push.directory`: a URI, a path, or a path from the run directory on."""
    if "://" in written:
        return _in_a_store(written, "push.directory")
    if root.is_local or Path(written).is_absolute():
        return location_of((root.path / written if root.is_local else Path(written)).resolve())
    return (root / written).normalised()


def _in_a_store(uri: str, key: str) -> Location:
    try:
        return location_of(uri).normalised()
    except ValueError as error:  # no storage is known for its scheme
        raise RunDirectoryError(f"{key}: {error}") from error
