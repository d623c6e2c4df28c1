"""A stand-in for Dataflow's REST interface on loopback: takes a job, says that it runs, then how it
ended. It runs nothing: what it was sent is in `jobs`, and what it staged in the storage emulator.
"""

import contextlib
import gc
import http.server
import json
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

JOB = "2026-12-01_00_00_00-1"
_JOBS = re.compile(r"/v1b3/projects/[^/]+/locations/[^/]+/jobs(/[^/?]+)?(/\w+)?(\?.*)?$")


@dataclass
class Dataflow:
    """What the stub was sent, and how it answers: `refusal` is the status and message of what it
    says to a new job, `ends` the state of a job at its end, `messages` what is said of it.
    """

    url: str
    jobs: list[dict[str, Any]] = field(default_factory=list)
    refusal: tuple[int, str] | None = None
    ends: str = "JOB_STATE_DONE"
    messages: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    polls: int = 0

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and content for one request."""
        self.paths.append(f"{method} {path}")
        found = _JOBS.match(path)
        if found is None:
            return 404, {"error": {"code": 404, "message": f"no such path: {path}"}}
        job, part = found[1], found[2]
        if method == "POST" and job is None:
            if self.refusal is not None:
                code, message = self.refusal
                return code, {"error": {"code": code, "message": message, "status": "REFUSED"}}
            self.jobs.append(json.loads(body))
            return 200, {**self._job("JOB_STATE_PENDING"), "name": self.jobs[-1]["name"]}
        if part == "/messages":
            levels = [(str(n), text) for n, text in enumerate(self.messages)]
            return 200, {"jobMessages": [_message(*each) for each in levels]}
        if part == "/metrics":
            return 200, {"metrics": []}
        self.polls += 1
        return 200, self._job(self.ends if self.polls > 1 else "JOB_STATE_RUNNING")

    def _job(self, state: str) -> dict[str, Any]:
        return {
            "id": JOB,
            "projectId": "p",
            "type": "JOB_TYPE_BATCH",
            "currentState": state,
            "location": "us-central1",
            "createTime": "2026-12-01T00:00:00Z",
        }


@contextlib.contextmanager
def dataflow() -> Iterator[Dataflow]:
    """A running stub."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        # Beam takes an endpoint for a local one by this name.
        server.stub = stub = Dataflow(f"http://localhost:{server.server_port}")  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield stub
        finally:
            server.shutdown()
            with warnings.catch_warnings():  # Google's client leaves its connections open
                warnings.simplefilter("ignore")
                gc.collect()


def _message(number: str, text: str) -> dict[str, str]:
    return {
        "id": number,
        "messageImportance": "JOB_MESSAGE_ERROR",
        "messageText": text,
        "time": "2026-12-01T00:00:00.000Z",
    }


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        status, content = self.server.stub.answer(self.command, self.path, body)  # type: ignore[attr-defined]
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass
