"""Tells how a run ended, to a webhook and to a command. Neither can fail a run, or hold it up for
longer than `LIMIT_S`.

The webhook's URL is a secret: it is read from the environment when it is needed, and what is said
of a failure is put together from what is known to be harmless, never from an exception's text.
"""

import contextlib
import datetime
import http
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from components.evaluation.formatting import measured_text
from pipeline.workspace.project import Project
from schemas.errors import AuricleError, DataGateError
from schemas.outcomes import NotifyOn, VerdictOutcome
from schemas.reports.metrics import Headline, Interval
from schemas.secrets import masked
from schemas.text import visible
from schemas.workflow.workflow import Workflow

if TYPE_CHECKING:
    from pipeline.runs.result import RunResult

LIMIT_S = 28.0  # for all of it
TRY_LIMIT_S = 10.0
PAUSES_S = (1.0, 2.0)  # between three tries
_SHORTEST_SECRET = 6  # characters; shorter parts of a URL are words


class Event(BaseModel):
    """How a run ended, as it is sent. `text` says it in one sentence: chats show that key.

    `run` is the number among the judged runs and `report` a path; both None where nothing was
    judged. `accuracy` is the `headline` once more, of tasks that are judged by it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: Literal[NotifyOn, "test"]
    text: str
    workflow: str
    time: datetime.datetime
    run: int | None = None
    version: int | None = None
    headline: Headline | None = None
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    reasons: list[str] = []
    report: str | None = None


@dataclass(frozen=True)
class Delivery:
    """Whom a message was for, and why it did not arrive; empty where it did."""

    to: str
    problem: str


class Deliveries(BaseModel):
    """What became of one message."""

    deliveries: list[Delivery]


def notify(project: Project, event: Event) -> list[Delivery]:
    """Tells all who want to know of this event, side by side; the command is run in the project's
    folder.
    """
    settings, message = project.workflow.notify, event.model_dump_json()
    if event.event != "test" and event.event not in settings.on:
        return []
    deadline = time.monotonic() + LIMIT_S
    ways: dict[str, Callable[[], str]] = {}
    if (name := settings.webhook) is not None:
        ways[name] = lambda: _post(name, message, deadline)
    if (command := settings.command) is not None:
        ways[command[0]] = lambda: _call(command, message, project.folder, deadline)
    problems: dict[str, str] = {}

    def go(to: str) -> None:
        try:
            problems[to] = ways[to]()
        except Exception as error:
            # The interpreter would print its text, which may hold the URL.
            problems[to] = f"an internal error, {type(error).__name__}"

    # Daemons: neither a name server nor a program that hangs keeps this process from ending.
    threads = [threading.Thread(target=go, args=[to], daemon=True) for to in ways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline + 1 - time.monotonic()))
    late = f"no answer within {LIMIT_S:g} s"
    return [Delivery(to, _scrubbed(problems.get(to, late), settings.webhook)) for to in ways]


def problems_of(told: list[Delivery]) -> list[str]:
    """A line for each message that did not arrive."""
    return [f"could not notify {d.to}: {d.problem}" for d in told if d.problem]


def on_standard_error(line: str) -> None:
    """Says a line to the person at the terminal, or to a service's log."""
    sys.stderr.write(f"{visible(line)}\n")


@contextlib.contextmanager
def told_if_it_fails(
    project: Project, warn: Callable[[str], None] = on_standard_error
) -> Iterator[Callable[[], None]]:
    """Tells of the exception that ends a run, once the function it yields was called.

    What is wrong before is for who started the run, an interrupt too. The function warns of a
    variable that is not set while there is still time to set it.
    """
    has_begun = False

    def begin() -> None:
        nonlocal has_begun
        has_begun = True
        name = project.workflow.notify.webhook
        if name is not None and not _url_in(name):
            warn(
                f"Warning: notify.webhook names {name}, which is not set in the environment; nobody"
                " will be told there"
            )

    try:
        yield begin
    except Exception as error:
        if has_begun:
            told = notify(project, failure_event(project.workflow, error))
            for problem in problems_of(told):
                warn(problem)
        raise


def result_event(workflow: Workflow, result: "RunResult") -> Event:
    """What is told of a judged run; a blessed model that was not published counts as refused."""
    record, verdict = result.record, result.record.verdict
    headline = verdict.headline
    interval = headline.interval
    reasons = [*result.notes, *verdict.remarks, *record.reasons]
    event: VerdictOutcome
    if result.pushed_to is not None:
        event = verdict.outcome
        was = "already served" if "Pusher" in result.reused else "pushed"
        outcome = f"{event}, version {record.pushed_version} {was}"
    else:
        event = "refused" if verdict.allows_push else verdict.outcome
        outcome = f"{event}, nothing was published"
    text = (
        f"{workflow.name}, run {record.number}: {outcome}; "
        f"{headline.name} {measured_text(headline.value, headline.unit)}"
        f" ({interval.low:.3f} to {interval.high:.3f}) on {verdict.clips:,} test clips"
    )
    return Event(
        event=event,
        text=_for_chats(text if event == "blessed" else f"{text}; {'; '.join(reasons)}"),
        workflow=workflow.name,
        time=_now(),
        run=record.number,
        version=record.pushed_version,
        headline=headline,
        accuracy=headline.value if headline.name == "accuracy" else None,
        accuracy_interval=interval if headline.name == "accuracy" else None,
        reasons=list(map(masked, reasons)),
        report=str(result.report),
    )


def failure_event(workflow: Workflow, error: Exception) -> Event:
    """What is told of a run that an exception ended: `refused` by DataGate, `failed` by others."""
    first, *_ = str(error).strip().splitlines() or [""]
    is_refused = isinstance(error, DataGateError)
    reason = first if isinstance(error, AuricleError) else f"{type(error).__name__}: {first}"
    outcome = "refused, nothing was trained" if is_refused else "failed"
    return Event(
        event="refused" if is_refused else "failed",
        text=_for_chats(f"{workflow.name}: {outcome}; {reason}"),
        workflow=workflow.name,
        time=_now(),
        reasons=[masked(reason)],
    )


def _for_chats(text: str) -> str:
    """`text` as Slack and its like take it: nothing in it is a link, or calls everybody."""
    return visible(masked(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def trial_event(workflow: Workflow) -> Event:
    """A message that says it is a test."""
    text = f"{workflow.name}: a test of Auricle's notifications; no run ended"
    return Event(event="test", text=text, workflow=workflow.name, time=_now())


def _post(name: str, message: str, deadline: float) -> str:
    """Posts to the URL in the variable `name`; why that failed, empty where it did not."""
    url = _url_in(name)
    if not url:
        return "the variable is not set in the environment"
    import requests

    problem = ""
    for pause_s in (*PAUSES_S, None):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            break
        try:
            with requests.post(
                url,
                json=json.loads(message),
                timeout=min(TRY_LIMIT_S, left_s),
                allow_redirects=False,
                stream=True,  # what it says is not read
            ) as answer:
                status = answer.status_code
        except requests.RequestException as error:
            problem, is_worth_a_retry = _in_words(error)
        else:
            if 200 <= status < 300:
                return ""
            problem = f"answered {status} {_phrase(status)}".strip()
            is_worth_a_retry = status >= 500 or status == 429
        if pause_s is None or not is_worth_a_retry:
            break
        time.sleep(max(0.0, min(pause_s, deadline - time.monotonic())))
    return problem


def _in_words(error: Exception) -> tuple[str, bool]:
    """What went wrong, and whether it may go better the next time."""
    import requests

    match error:
        case requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema():
            return "the variable holds no URL that can be asked", False
        case requests.exceptions.MissingSchema():
            return "the variable holds no URL; it starts with https://", False
        case requests.exceptions.SSLError():
            return "no secure connection; its certificate may be wrong", True
        case requests.Timeout():
            return "no answer in time", True
        case _:
            return f"no connection ({_cause(error)})", True


def _cause(error: BaseException | None) -> str:
    """The operating system's word for what is behind an error."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return "its host is not known"
        if isinstance(error, OSError) and error.errno is not None:
            return os.strerror(error.errno)
        error = error.__cause__ or error.__context__
    return "broken off"


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _call(command: list[str], message: str, folder: Path, deadline: float) -> str:
    """Runs a program with the message on stdin; why that failed, empty where it did not."""
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"cannot be run ({getattr(error, 'strerror', None) or error})"
    with process:
        try:
            _, output = process.communicate(message, timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            # With all it started, which would hold on to its end of the pipe.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return f"not done within {LIMIT_S:g} s"
    if process.returncode == 0:
        return ""
    last = next(reversed(output.strip().splitlines()), "")
    return f"exit code {process.returncode}{f', {last}' if last else ''}"


def _scrubbed(text: str, name: str | None) -> str:
    """`text` without the URL in the variable `name`, or a part of it: a command may say it."""
    url = _url_in(name) if name else ""
    for secret in (url, *re.split("[/?#@:&=]+", url)):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def _url_in(name: str) -> str:
    return os.environ.get(name, "").strip()


def _now() -> datetime.datetime:
    return datetime.datetime.now().astimezone()
