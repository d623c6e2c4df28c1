"""The schedule: looks whether there is anything new, trains if so, and writes down what it decided.

`run_once` is one check, for cron, Kubernetes or Airflow; `serve` looks at the times of the cron
line as a service in the foreground. Each check is a process of its own, so that a crash in a
library, or memory that TensorFlow keeps, ends with it.
"""

import contextlib
import datetime
import functools
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from components.storage.plain_path import sqlite_url
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.lock import adopt, check_reader, is_held, lock
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import BusyError, DataGateError, InputError
from schemas.outcomes import CheckOutcome
from schemas.versions import StoredVersion

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler

    from pipeline.scheduling.cron_trigger import ZonedCronTrigger

# Without the working directory, which `-c` puts first: a folder `pipeline` there is not ours.
_MAIN = "import sys; sys.path[:] = filter(None, sys.path); from pipeline.cli import main; main()"
_COMMAND = [sys.executable, "-c", _MAIN, "schedule"]
_JOB = "look"
LONGEST_DETAIL = 500  # characters


class Decision(BaseModel):
    """One check: whether there was reason to train, and what came of it.

    One that trains is written down before and after it, with the same time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: datetime.datetime
    outcome: CheckOutcome
    reasons: list[str]
    version: StoredVersion | None = None
    detail: str = ""

    def __str__(self) -> str:
        version = f" as version {self.version}" if self.version else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.outcome}{version}: {'; '.join(self.reasons)}{detail}"


def run_once(project: Project, now: datetime.datetime | None = None) -> Decision:
    """Looks once, trains where there is reason to, and writes the decision down.

    Raises what a run raises, after it was written down; not that another one is under way.
    """
    now = now or datetime.datetime.now().astimezone()
    directory = project.run_directory
    adopt(project)
    reasons: list[str] = []
    try:
        news = check_triggers(project, now)
        reasons = news.reasons
        if not news.train:
            return write_decision(
                Decision(time=now, outcome="nothing new", reasons=reasons), directory
            )
        write_decision(Decision(time=now, outcome="training", reasons=reasons), directory)
        return write_decision(_train(project, now, reasons), directory)
    except Exception as error:
        outcome: CheckOutcome = (
            "busy"
            if isinstance(error, BusyError)
            else "stopped"
            if isinstance(error, DataGateError)
            else "failed"
        )
        detail = " ".join(str(error).split())[:LONGEST_DETAIL]
        decision = Decision(time=now, outcome=outcome, reasons=reasons, detail=detail)
        write_decision(decision, directory)
        if outcome == "busy":
            return decision
        raise


def serve(project: Project, file: Path, say: Callable[[str], None]) -> None:
    """Looks at the times of the workflow's cron line, in the foreground, until it is told to stop.

    `file` is the project's, which each check reads anew; `say` gets lines for a person. What is due
    next is kept in the run directory: times that were missed are made up for once.

    Raises:
        RunDirectoryError: another process does that already.
    """
    from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    from pipeline.scheduling.cron_trigger import ZonedCronTrigger

    workflow, directory = project.workflow, project.run_directory
    adopt(project)
    what = f"a schedule of workflow '{workflow.name}' is running already"
    with lock(directory, ".schedule.lock", what):
        scheduler = BackgroundScheduler(
            jobstores={"default": SQLAlchemyJobStore(url=_prepare_store(directory.schedule))},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        scheduler.start(paused=True)
        trigger = ZonedCronTrigger(workflow.schedule.cron, workflow.schedule.timezone)
        _keep_or_add(scheduler, trigger, str(file.resolve()))
        is_stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: is_stopped.set())
        say(f"{workflow.name}: {workflow.schedule.cron} ({workflow.schedule.timezone})")
        say_next = functools.partial(_say_next, scheduler, say)
        scheduler.add_listener(lambda _: say_next(), EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)
        say_next()
        scheduler.resume()
        is_stopped.wait()
        for child in list(_children):  # the next check goes on with what it did
            child.terminate()
        scheduler.shutdown()


def look_in_a_process(file: str) -> int:
    """`auricle schedule FILE --once`; its exit code."""
    _children.append(subprocess.Popen([*_COMMAND, file, "--once"]))
    try:
        return _children[-1].wait()
    finally:
        _children.pop()


_FUNCTION = f"{look_in_a_process.__module__}:{look_in_a_process.__qualname__}"


def read_decisions(project: Project) -> list[Decision]:
    """Every check there was, the first one first; one that began to train and did not end it is
    `training` where a run is under way, and else was `killed`.

    Raises:
        InputError: there was none yet.
    """
    check_reader(project)
    directory = project.run_directory
    try:
        lines = directory.decisions.read().splitlines()
    except FileNotFoundError:
        message = f"the schedule of {project.name} has not looked yet ({directory.decisions})"
        raise InputError(message) from None
    except OSError as error:
        raise InputError(f"{directory.decisions} cannot be read: {error.strerror}") from error
    by_time: dict[datetime.datetime, Decision] = {}
    for line in lines:
        with contextlib.suppress(ValidationError):  # torn when the power was cut
            decision = Decision.model_validate_json(line)
            by_time[decision.time] = decision
    decisions = list(by_time.values())
    unfinished = [each for each in decisions if each.outcome == "training"]
    killed = unfinished[:-1] if is_held(directory) else unfinished
    return [
        each.model_copy(update={"outcome": "killed"}) if each in killed else each
        for each in decisions
    ]


def _train(project: Project, now: datetime.datetime, reasons: list[str]) -> Decision:
    from pipeline.runners.local import run_workflow

    result = run_workflow(project, now, is_scheduled=True)
    return Decision(
        time=now,
        outcome=result.record.outcome,
        reasons=reasons,
        version=result.record.pushed_version,
        detail="the same as before" if "Pusher" in result.reused else "",
    )


def write_decision(decision: Decision, directory: RunDirectory) -> Decision:
    """Adds it to those that `read_decisions` lists; one of the same time is replaced by it."""
    directory.decisions.append(f"{decision.model_dump_json()}\n".encode())
    return decision


def _prepare_store(file: Path) -> str:
    """The URL of the database, which is written ahead as the others are."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        _follow_move(connection)
    return sqlite_url(file)


def _follow_move(connection: sqlite3.Connection) -> None:
    """A stored job names its function by module. One that an earlier version of Auricle stored may
    name a module that has moved: APScheduler could not restore it, and what is due would be lost.
    """
    tables = "SELECT 1 FROM sqlite_master WHERE name = 'apscheduler_jobs'"
    if connection.execute(tables).fetchone() is None:
        return  # a new file
    query = "SELECT job_state FROM apscheduler_jobs WHERE id = ?"
    for (stored,) in connection.execute(query, [_JOB]).fetchall():
        state = pickle.loads(stored)  # as APScheduler does with this file
        if state["func"] != _FUNCTION:
            moved = pickle.dumps(state | {"func": _FUNCTION})
            update = "UPDATE apscheduler_jobs SET job_state = ? WHERE id = ?"
            with connection:
                connection.execute(update, [moved, _JOB])


_children: list[subprocess.Popen[bytes]] = []


def _keep_or_add(scheduler: "BackgroundScheduler", trigger: "ZonedCronTrigger", file: str) -> None:
    """Adds the job unless the store has it, with the time it is due, which may be past."""
    job = scheduler.get_job(_JOB)
    if job is not None and job.args == (file,) and trigger.has_times_of(job.trigger):
        scheduler.modify_job(_JOB, trigger=trigger)
    else:
        scheduler.add_job(look_in_a_process, trigger, args=(file,), id=_JOB, replace_existing=True)


def _say_next(scheduler: "BackgroundScheduler", say: Callable[[str], None]) -> None:
    say(f"next look: {scheduler.get_job(_JOB).next_run_time:%Y-%m-%d %H:%M %Z}")
