"""The schedule as processes: it looks, waits its turn, makes up for what was missed, once."""

import contextlib
import datetime
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from seen import WORKFLOW, add_span, finish_run
from typer.testing import CliRunner
from waiting import wait_until

from pipeline.cli import app
from pipeline.scheduling.scheduler import read_decisions, run_once
from pipeline.workspace.lock import claim, is_held
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.errors import DataError, InputError

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """Of a workflow that has run, and has nothing new; its file beside it."""
    add_span(tmp_path, 1)
    file = {"name": "digits", "data": {"manifests": "data/{SPAN}/manifest.jsonl"}}
    # Far from now, so that only what a test makes due is due.
    far = time.gmtime(time.time() + 40 * 86400)
    file["schedule"] = {"cron": f"0 0 1 {far.tm_mon} *"}
    (tmp_path / "workflow.yaml").write_text(yaml.safe_dump(file))
    return finish_run(Project(WORKFLOW, tmp_path))


@contextlib.contextmanager
def serving(base: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*AURICLE, "schedule", "workflow.yaml"],
        cwd=base,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = process.stdout.readline()
        assert line, text
        text += line
    return text


def make_overdue(directory: RunDirectory) -> None:
    """As if no service had run for years."""
    store = SQLAlchemyJobStore(url=f"sqlite:///{directory.schedule}")
    store.start(BackgroundScheduler(), "default")
    job = store.lookup_job("look")
    job.next_run_time -= datetime.timedelta(days=1000)
    store.update_job(job)
    store.shutdown()


def as_stored_before_the_move(directory: RunDirectory) -> None:
    """The job names its function by the module where it was before `pipeline` had rooms."""
    with contextlib.closing(sqlite3.connect(directory.schedule)) as connection, connection:
        [(stored,)] = connection.execute("SELECT job_state FROM apscheduler_jobs").fetchall()
        state = pickle.loads(stored) | {"func": "pipeline.schedule:look_in_a_process"}
        connection.execute("UPDATE apscheduler_jobs SET job_state = ?", [pickle.dumps(state)])


def test_nothing_new_is_written_down(directory: RunDirectory, tmp_path: Path) -> None:
    decision = run_once(Project(WORKFLOW, tmp_path))
    assert decision.outcome == "nothing new"
    assert str(decision).startswith("nothing new: ")
    assert str(decision).endswith(" 2026-05-01 03:00")
    assert read_decisions(Project(WORKFLOW, tmp_path)) == [decision]
    with directory.decisions.path.open("a") as file:
        file.write('{"time": "2026-05-0')
    assert read_decisions(Project(WORKFLOW, tmp_path)) == [decision]
    done = CliRunner().invoke(app, ["schedule", str(tmp_path / "workflow.yaml"), "--log"])
    assert "nothing new" in done.stdout


def test_no_look_was_taken_yet(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_decisions(Project(WORKFLOW, tmp_path))


def test_what_fails_is_written_down_and_raised(directory: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError):
        run_once(Project(WORKFLOW, tmp_path))
    [decision] = read_decisions(Project(WORKFLOW, tmp_path))
    assert decision.outcome == "failed"
    assert "{SPAN}" in decision.detail


def test_a_look_that_was_killed_while_it_trained(directory: RunDirectory, tmp_path: Path) -> None:
    add_span(tmp_path, 2)
    command = [*AURICLE, "schedule", str(tmp_path / "workflow.yaml"), "--once"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: directory.decisions.path.exists() and is_held(directory), process)
    [decision] = read_decisions(Project(WORKFLOW, tmp_path))
    assert decision.outcome == "training"
    process.kill()
    process.wait()
    [decision] = read_decisions(Project(WORKFLOW, tmp_path))
    assert decision.outcome == "killed"
    assert decision.reasons[0].endswith(": data/2/manifest.jsonl")


def test_another_run_has_its_way(directory: RunDirectory, tmp_path: Path) -> None:
    add_span(tmp_path, 2)
    with claim(Project(WORKFLOW, tmp_path)):
        done = subprocess.run(
            [*AURICLE, "schedule", "workflow.yaml", "--once"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("busy: ")
    assert f"(process {os.getpid()})" in done.stdout


def test_a_service_looks_at_its_time_and_makes_up_for_missed_times_once(
    directory: RunDirectory, tmp_path: Path
) -> None:
    with serving(tmp_path) as process:
        read_until(process, "next look: ")
        second = subprocess.run(
            [*AURICLE, "schedule", "workflow.yaml"], cwd=tmp_path, capture_output=True, text=True
        )
        assert second.returncode == 2
        assert f"(process {process.pid})" in second.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not directory.decisions.path.exists()
    make_overdue(directory)
    with serving(tmp_path) as process:
        text = read_until(process, "nothing new since")
        read_until(process, "next look: ")
    assert text.count("nothing new") == 2  # outcome and reason, of one check
    assert len(read_decisions(Project(WORKFLOW, tmp_path))) == 1


def test_a_job_that_an_earlier_version_stored_is_not_missed(
    directory: RunDirectory, tmp_path: Path
) -> None:
    with serving(tmp_path) as process:
        read_until(process, "next look: ")
    make_overdue(directory)
    as_stored_before_the_move(directory)
    with serving(tmp_path) as process:
        read_until(process, "nothing new since")
    [decision] = read_decisions(Project(WORKFLOW, tmp_path))
    assert decision.outcome == "nothing new"
