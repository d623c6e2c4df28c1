"""Notifications against a real HTTP server on loopback and real programs."""

import datetime
import http.server
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pushed import make_verdict
from typer.testing import CliRunner

from pipeline import cli
from pipeline import notifications as notify
from pipeline.runs.records import RunRecord
from pipeline.runs.result import RunResult
from pipeline.workspace.project import Project
from schemas.errors import AuricleError, DataGateError, InputError, WorkflowError
from schemas.reports.rule import Rule
from schemas.reports.serving import ServingReport
from schemas.workflow.workflow import Workflow

VARIABLE = "AURICLE_WEBHOOK"
TOKEN = "T0k3n-that-nobody-may-see"

PROGRAM = """\
import pathlib, sys
pathlib.Path("got.json").write_text(sys.stdin.read())
"""


class Hook:
    """A server that gives the `answers` in turn, the last one for ever, and keeps what it got."""

    def __init__(self, *answers: int | float) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers = list(answers)
        self.done = threading.Event()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append({"path": self.path, "headers": self.headers, "body": body})
                answer = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                if isinstance(answer, float):
                    hook.done.wait(answer)
                    return
                self.send_response(answer, f"about {TOKEN}")
                self.send_header("Location", f"/elsewhere/{TOKEN}")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/{TOKEN}?key={TOKEN}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.done.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    hook = Hook(200)
    monkeypatch.setenv(VARIABLE, hook.url)
    monkeypatch.setattr(notify, "PAUSES_S", (0.01, 0.02))
    yield hook
    hook.close()


def make_workflow(**settings: Any) -> Workflow:
    return Workflow.model_validate(
        {"name": "digits", "data": {"generated": {}}, "notify": settings or {"webhook": VARIABLE}}
    )


def send(workflow: Workflow, base: Path) -> list[str]:
    return notify.problems_of(notify.notify(Project(workflow, base), notify.trial_event(workflow)))


def test_a_webhook_gets_the_message(hook: Hook, tmp_path: Path) -> None:
    workflow = make_workflow()
    event = notify.failure_event(workflow, AuricleError("no\nluck"))
    assert notify.notify(Project(workflow, tmp_path), event) == [notify.Delivery(VARIABLE, "")]
    [got] = hook.got
    assert got["path"] == f"/services/{TOKEN}?key={TOKEN}"
    assert got["headers"]["Content-Type"] == "application/json"
    body = json.loads(got["body"])
    assert notify.Event.model_validate_json(got["body"]).time == event.time
    del body["time"]
    assert body == {
        "event": "failed",
        "text": "digits: failed; no",
        "workflow": "digits",
        "run": None,
        "version": None,
        "headline": None,
        "accuracy": None,
        "accuracy_interval": None,
        "reasons": ["no"],
        "report": None,
    }


@pytest.mark.parametrize("first", [500, 503, 429, 0.0])
def test_a_server_in_trouble_is_asked_again(hook: Hook, tmp_path: Path, first: int) -> None:
    hook.answers = [first, 200]
    assert send(make_workflow(), tmp_path) == []
    assert len(hook.got) == 2


@pytest.mark.parametrize(
    ("answer", "tries", "said"),
    [
        (500, 3, "answered 500 Internal Server Error"),
        (404, 1, "answered 404 Not Found"),
        (599, 3, "answered 599"),
        (302, 1, "answered 302 Found"),
        (0.0, 3, "no connection (broken off)"),
    ],
)
def test_a_server_that_refuses(
    hook: Hook, tmp_path: Path, answer: int, tries: int, said: str
) -> None:
    hook.answers = [answer]
    assert send(make_workflow(), tmp_path) == [f"could not notify {VARIABLE}: {said}"]
    assert len(hook.got) == tries


def test_a_server_that_does_not_answer(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TRY_LIMIT_S", 0.1)
    hook.answers = [threading.TIMEOUT_MAX]
    assert send(make_workflow(), tmp_path) == [f"could not notify {VARIABLE}: no answer in time"]
    assert len(hook.got) == 3


def test_nothing_takes_longer_than_the_limit(
    hook: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "LIMIT_S", 1.0)
    monkeypatch.setattr(notify, "PAUSES_S", (0.1, 0.2))
    hook.answers = [threading.TIMEOUT_MAX]
    os.mkfifo(tmp_path / "open")  # it ends when the last process of the command has
    sleep = "import subprocess; subprocess.run('exec sleep infinity > open', shell=True)"
    sleeper = [sys.executable, "-c", sleep]
    ended = threading.Thread(target=(tmp_path / "open").read_bytes)
    ended.start()
    assert send(make_workflow(webhook=VARIABLE, command=sleeper), tmp_path) == [
        f"could not notify {VARIABLE}: no answer in time",
        f"could not notify {sys.executable}: not done within 1 s",
    ]
    ended.join()


def test_the_limits_together_are_less_than_half_a_minute() -> None:
    assert notify.LIMIT_S + 1 < 30


def test_an_answer_that_drips_does_not_hold_up_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then satisfies every timeout of a socket."""
    monkeypatch.setattr(notify, "LIMIT_S", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stop.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        monkeypatch.setenv(VARIABLE, f"http://127.0.0.1:{server.getsockname()[1]}/{TOKEN}")
        try:
            [said] = send(make_workflow(), tmp_path)
            assert thread.is_alive()  # and drips on
        finally:
            stop.set()
            thread.join()
    assert said == f"could not notify {VARIABLE}: no answer within 0.5 s"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:{port}/{token}", "no connection (Connection refused)"),
        ("http://anna:{token}@127.0.0.1:{port}/a?b={token}", "no connection (Connection refused)"),
        ("https://{token}.invalid/{token}", "no connection (its host is not known)"),
        ("hooks.example.org/{token}", "the variable holds no URL; it starts with https://"),
        ("ftp://hooks.example.org/{token}", "the variable holds no URL that can be asked"),
        ("https://[{token}/", "the variable holds no URL that can be asked"),
        ("http://127.0.0.1:99999/{token}", "the variable holds no URL that can be asked"),
        ("", "the variable is not set in the environment"),
    ],
)
def test_no_failure_says_the_url(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    url: str,
    said: str,
) -> None:
    monkeypatch.setattr(notify, "PAUSES_S", (0.01, 0.02))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        port = closed.getsockname()[1]
        monkeypatch.setenv(VARIABLE, url.format(port=port, token=TOKEN))
        assert send(make_workflow(), tmp_path) == [f"could not notify {VARIABLE}: {said}"]
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(capfd.readouterr())


def test_no_certificate_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = Hook(200)
    monkeypatch.setattr(notify, "PAUSES_S", (0.01, 0.02))
    monkeypatch.setenv(VARIABLE, hook.url.replace("http:", "https:"))
    try:
        [said] = send(make_workflow(), tmp_path)
    finally:
        hook.close()
    assert said.endswith("no secure connection; its certificate may be wrong")


def test_a_command_gets_the_message_where_the_workflow_lies(tmp_path: Path) -> None:
    (tmp_path / "tell.py").write_text(PROGRAM)
    workflow = make_workflow(command=[sys.executable, "tell.py"])
    event = notify.trial_event(workflow)
    assert notify.notify(Project(workflow, tmp_path), event) == [
        notify.Delivery(sys.executable, "")
    ]
    got = notify.Event.model_validate_json((tmp_path / "got.json").read_text())
    assert got == event


def test_a_command_is_not_read_by_a_shell(tmp_path: Path) -> None:
    words = ["a b", "$HOME", "; touch", "*"]
    code = "import json, sys; open('words', 'w').write(json.dumps(sys.argv[1:]))"
    assert send(make_workflow(command=[sys.executable, "-c", code, *words]), tmp_path) == []
    assert json.loads((tmp_path / "words").read_text()) == words


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import sys; sys.exit('not today\\nfor want of stamps')",
            "exit code 1, for want of stamps",
        ),
        ("raise SystemExit(7)", "exit code 7"),
        (f"import os, sys; sys.exit(os.environ['{VARIABLE}'])", "exit code 1, ***"),
        (f"raise SystemExit('no such key {TOKEN}!')", "exit code 1, no such key ***!"),
    ],
)
def test_a_command_that_fails(hook: Hook, tmp_path: Path, code: str, said: str) -> None:
    problems = send(make_workflow(command=[sys.executable, "-c", code], webhook=VARIABLE), tmp_path)
    assert problems == [f"could not notify {sys.executable}: {said}"]


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    assert send(make_workflow(command=["no-such-program"]), tmp_path) == [
        "could not notify no-such-program: cannot be run (No such file or directory)"
    ]


def test_only_what_was_asked_for_is_told(hook: Hook, tmp_path: Path) -> None:
    workflow = make_workflow(webhook=VARIABLE, on=["refused"])
    for error in (AuricleError("x"), DataGateError("y")):
        notify.notify(Project(workflow, tmp_path), notify.failure_event(workflow, error))
    assert [json.loads(got["body"])["reasons"] for got in hook.got] == [["y"]]


def make_result(tmp_path: Path, number: int = 4, **changes: Any) -> RunResult:
    """Of a pushed run; `changes` are of its record."""
    record = RunRecord(
        number=number,
        finished=datetime.datetime.now(datetime.timezone.utc),
        workflow=make_workflow(),
        data="",
        verdict=make_verdict(),
        serving=ServingReport(passed=True, rules=[], asked=64),
        pushed_version="3",
        scores="",
        seconds=1.0,
    ).model_copy(update=changes)
    return RunResult(
        record=record,
        report=tmp_path / "report.html",
        log=tmp_path / "run.log",
        pushed_to=tmp_path / "serving" / "3" if record.pushed_version else None,
        reused=[],
        ran=["Pusher"],
        notes=[],
    )


ACCURACY = "accuracy 0.912 (0.882 to 0.932) on 500 test clips"


def test_a_blessed_run_in_words(tmp_path: Path) -> None:
    event = notify.result_event(make_workflow(), make_result(tmp_path))
    assert event.text == f"digits, run 4: blessed, version 3 pushed; {ACCURACY}"
    assert (event.event, event.version, event.run) == ("blessed", 3, 4)
    assert event.report == f"{tmp_path}/report.html"
    again = make_result(tmp_path, number=5).model_copy(update={"reused": ["Pusher"], "ran": []})
    text = notify.result_event(make_workflow(), again).text
    assert text == f"digits, run 5: blessed, version 3 already served; {ACCURACY}"


@pytest.mark.parametrize("outcome", ["refused", "undecided"])
def test_a_run_that_pushed_nothing_in_words(tmp_path: Path, outcome: str) -> None:
    verdict = make_verdict().model_copy(update={"outcome": outcome, "reasons": ["a", "b"]})
    result = make_result(tmp_path, pushed_version=None, verdict=verdict)
    event = notify.result_event(make_workflow(), result)
    assert event.text == f"digits, run 4: {outcome}, nothing was published; {ACCURACY}; a; b"
    assert (event.event, event.version, event.reasons) == (outcome, None, ["a", "b"])


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    rule = Rule(name="latency", passed=False, message="95 % of clips within 80 ms")
    serving = ServingReport(passed=False, rules=[rule], asked=64)
    result = make_result(tmp_path, pushed_version=None, serving=serving)
    event = notify.result_event(make_workflow(), result)
    assert event.event == "refused"
    assert event.reasons[-1] == "serving, latency: 95 % of clips within 80 ms"


@pytest.mark.parametrize(
    ("error", "event", "text"),
    [
        (
            DataGateError("too few clips\nmore"),
            "refused",
            "refused, nothing was trained; too few clips",
        ),
        (InputError("the disk is full"), "failed", "failed; the disk is full"),
        (ValueError("first\nsecond"), "failed", "failed; ValueError: first"),
        (ValueError(), "failed", "failed; ValueError: "),
    ],
)
def test_an_exception_that_ends_a_run(
    hook: Hook, tmp_path: Path, error: Exception, event: str, text: str
) -> None:
    with (
        pytest.raises(type(error)),
        notify.told_if_it_fails(Project(make_workflow(), tmp_path)) as begin,
    ):
        begin()
        raise error
    [got] = hook.got
    body = json.loads(got["body"])
    assert (body["event"], body["text"]) == (event, f"digits: {text}")


def test_what_is_wrong_before_a_run_and_an_interrupt_are_not_told(
    hook: Hook, tmp_path: Path
) -> None:
    with pytest.raises(InputError), notify.told_if_it_fails(Project(make_workflow(), tmp_path)):
        raise InputError("no such file")
    with (
        pytest.raises(KeyboardInterrupt),
        notify.told_if_it_fails(Project(make_workflow(), tmp_path)) as begin,
    ):
        begin()
        raise KeyboardInterrupt
    assert hook.got == []


def test_a_message_that_fails_does_not_hide_the_fault(
    hook: Hook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answers = [403]
    with (
        pytest.raises(AuricleError, match="luck"),
        notify.told_if_it_fails(Project(make_workflow(), tmp_path)) as begin,
    ):
        begin()
        raise AuricleError("no luck")
    assert capsys.readouterr().err == f"could not notify {VARIABLE}: answered 403 Forbidden\n"


def test_a_variable_that_is_not_set_is_said_when_a_run_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with notify.told_if_it_fails(Project(make_workflow(), tmp_path)) as begin:
        assert capsys.readouterr().err == ""
        begin()
    assert capsys.readouterr().err == (
        f"Warning: notify.webhook names {VARIABLE}, which is not set in the environment; nobody"
        " will be told there\n"
    )


def write_workflow(folder: Path, settings: str) -> Path:
    file = folder / "workflow.yaml"
    file.write_text(f"name: digits\ndata: {{generated: {{}}}}\nnotify: {settings}\n")
    return file


@pytest.mark.parametrize(
    "value",
    [f"https://hooks.example.org/{TOKEN}", f"hooks.example.org/{TOKEN}", f"{TOKEN}", "9LIVES"],
)
def test_only_a_variable_is_accepted_and_a_secret_not_said(tmp_path: Path, value: str) -> None:
    from pipeline.config.loader import read_workflow

    with pytest.raises(WorkflowError, match=r":3: notify\.webhook: ") as refused:
        read_workflow(write_workflow(tmp_path, f"{{webhook: '{value}'}}"))
    assert ":3: notify.webhook: got " in str(refused.value)
    assert value not in str(refused.value)


def test_ends_to_tell_without_anybody_to_tell(tmp_path: Path) -> None:
    from pipeline.config.loader import read_workflow

    with pytest.raises(WorkflowError, match=r"notify\.on: "):
        read_workflow(write_workflow(tmp_path, "{on: [failed]}"))


def test_a_workflow_is_the_same_when_read_back() -> None:
    for workflow in (make_workflow(), make_workflow(command=["mail", "-s", "auricle"])):
        assert Workflow.model_validate_json(workflow.model_dump_json()) == workflow
    silent = Workflow.model_validate({"name": "digits", "data": {"generated": {}}})
    assert Workflow.model_validate_json(silent.model_dump_json()) == silent


def test_the_command_line_tries_it(hook: Hook, tmp_path: Path) -> None:
    settings = (
        f"{{webhook: {VARIABLE}, command: ['{sys.executable}', '-c', 'exit(3)'], on: [failed]}}"
    )
    file = write_workflow(tmp_path, settings)
    done = CliRunner().invoke(cli.app, ["notify", str(file), "--test"])
    assert done.exit_code == 1
    assert done.stdout == f"{VARIABLE}: delivered\n{sys.executable}: exit code 3\n"
    assert json.loads(hook.got[0]["body"])["event"] == "test"
    done = CliRunner().invoke(
        cli.app, ["notify", str(write_workflow(tmp_path, f"{{webhook: {VARIABLE}}}")), "--test"]
    )
    assert (done.exit_code, done.stdout) == (0, f"{VARIABLE}: delivered\n")
    with pytest.raises(InputError):
        CliRunner().invoke(
            cli.app,
            ["notify", str(write_workflow(tmp_path, "{}")), "--test"],
            catch_exceptions=False,
        )
    assert os.environ[VARIABLE] == hook.url
