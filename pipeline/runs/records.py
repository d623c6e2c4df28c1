"""The judged runs of a workflow: one file each in the run directory, so that they can be compared.

Scores of single clips stay where Evaluator put them; a record says where.
"""

import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from components.storage.location import Location, location_of
from components.storage.trouble import STORE_REFUSED
from pipeline.workspace.lock import check_reader
from pipeline.workspace.project import Project
from schemas.errors import InputError
from schemas.outcomes import RunOutcome
from schemas.reports.serving import ServingReport
from schemas.reports.verdict import Verdict
from schemas.tasks import bring_up_to_date
from schemas.versions import StoredVersion
from schemas.workflow.workflow import Workflow


class RunRecord(BaseModel):
    """One judged run; `scores` is a path, and `data` the digest of all rows and recordings.
    `is_scheduled` where the schedule began it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    finished: datetime.datetime
    workflow: Workflow
    data: str
    verdict: Verdict
    serving: ServingReport
    pushed_version: StoredVersion | None
    scores: str
    seconds: float
    is_withdrawn: bool = False
    is_scheduled: bool = False

    @field_validator("workflow", mode="before")
    @classmethod
    def _bring_up_to_date(cls, workflow: object) -> object:
        """One written before each task had a gate."""
        return bring_up_to_date(workflow) if isinstance(workflow, dict) else workflow

    @property
    def outcome(self) -> RunOutcome:
        """What became of the model: one that failed where it was served is `withdrawn`, one that
        ServingCheck did not pass `not servable`.
        """
        if self.pushed_version is not None:
            return "pushed"
        if self.is_withdrawn:
            return "withdrawn"
        outcome = self.verdict.outcome
        return "not servable" if outcome == "blessed" or self.verdict.allows_push else outcome

    @property
    def reasons(self) -> list[str]:
        """Why it was published or not: the gate's reasons, and what failed in serving."""
        failed = [
            f"serving, {rule.name}: {rule.message}"
            for rule in self.serving.rules
            if not rule.passed
        ]
        return [*self.verdict.reasons, *failed]


def next_number(directory: Location) -> int:
    """Of the next record in a folder of them."""
    return max(_numbers(directory), default=0) + 1


def write_record(record: RunRecord, directory: Location) -> Location:
    """Writes `<directory>/<number>.json`, whole or not at all."""
    file = directory / f"{record.number}.json"
    file.put(record.model_dump_json(indent=2).encode())
    return file


def read_record(file: Path | Location) -> RunRecord:
    """The record in a file.

    Raises:
        InputError: there is none.
    """
    try:
        return RunRecord.model_validate_json(location_of(file).read())
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        what = str(error).partition("\n")[0]
        raise InputError(
            f"{file} is no record of a run ({what}); move it away, and the other runs stay"
        ) from error


def list_records(project: Project) -> list[RunRecord]:
    """All judged runs of a workflow, the first one first.

    Raises:
        InputError: no run was judged yet.
    """
    check_reader(project)
    directory = project.run_directory.history
    records = read_history(directory)
    if not records:
        raise InputError(f"no run of {project.name} was judged yet ({directory})")
    return records


def find_record(project: Project, number: int) -> RunRecord:
    """The record of one run.

    Raises:
        InputError: there is no such run.
    """
    check_reader(project)
    directory = project.run_directory.history
    numbers = _numbers(directory)
    if number not in numbers:
        there = f"there are {', '.join(map(str, numbers))}" if numbers else "there is none yet"
        raise InputError(f"{project.name} has no run {number}; {there}; see `auricle runs`")
    return read_record(directory / f"{number}.json")


def read_history(directory: Location) -> list[RunRecord]:
    """All records in a folder of them, the first one first.

    Raises:
        InputError: one cannot be read.
    """
    return [read_record(file) for file in _files(directory)]


def read_newer(directory: Location, number: int) -> list[RunRecord]:
    """The records after that of run `number`, the first one first.

    Raises:
        InputError: one cannot be read.
    """
    return [read_record(directory / f"{n}.json") for n in _numbers(directory) if n > number]


def _files(directory: Location) -> list[Location]:
    return [directory / f"{number}.json" for number in _numbers(directory)]


def _numbers(directory: Location) -> list[int]:
    stems = [name.removesuffix(".json") for name in directory.children()[0] if "json" in name]
    return sorted(int(stem) for stem in stems if stem.isdecimal())
