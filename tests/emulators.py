"""Both object stores on loopback, for tests: `gs://` by gcp-storage-emulator, `s3://` by moto.

They run in one process of their own (`emulator_server.py`), started once a test process when first
asked for. In front of both stands a guard. It adds what the emulators lack and the stores have:

- GCS: `ifGenerationMatch` and `ifGenerationNotMatch` of uploads, copies, deletions and reads (412
  and 304), checked and acted on under one lock; `generation` of a read (404 where it is gone); the
  generation of what is downloaded, 416 behind its end; listings in pages; content and names as they
  came (the emulator reads uploads as mail); requests of several clients at once.
- S3: one request at a time, as moto asks for a precondition and writes in two steps.
- Both: counts of requests, and the faults that a test sets: statuses, answers that break off.

What it does not show: credentials, regions and permissions (but as faults), and how the stores
behave under load.
"""

import functools
import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCHEMES = ("gs", "s3")
_WRITES = ("PUT", "POST", "DELETE")


class Emulators:
    """The running emulators; `environment` is what a process needs to find them."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("emulator_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,  # it ends when this process does
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        ports = json.loads(self._process.stdout.readline())
        self.gcs, self.s3, self._control = (
            f"http://127.0.0.1:{ports[name]}" for name in ("gcs", "s3", "control")
        )
        self.environment = {
            "STORAGE_EMULATOR_HOST": self.gcs,
            "AWS_ENDPOINT_URL": self.s3,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._faults: list[dict[str, Any]] = []

    def bucket(self, scheme: str) -> str:
        """The URI of a new bucket."""
        name = f"auricle-{uuid.uuid4().hex[:12]}"
        if scheme == "gs":
            _ask(f"{self.gcs}/storage/v1/b?project=test", "POST", {"name": name})
        else:
            _ask(f"{self.s3}/{name}", "PUT")
        return f"{scheme}://{name}"

    def refuse(
        self,
        bucket: str,
        status: int,
        code: str = "refused",
        message: str = "refused by a test",
        *,
        methods: tuple[str, ...] = ("GET", "HEAD", *_WRITES),
        name: str = "",
        times: int = -1,
        keep_bytes: int = -1,
    ) -> None:
        """Answers requests of a bucket so, `times` times (for ever: -1); see `Fault`."""
        fault = {
            "bucket": bucket.partition("://")[2],
            "methods": methods,
            "name": name,
            "status": status,
            "code": code,
            "message": message,
            "times": times,
            "keep_bytes": keep_bytes,
        }
        self._faults.append(fault)
        _ask(self._control, "POST", self._faults)

    def refuse_nothing(self) -> None:
        """Ends all faults."""
        if self._faults:
            self._faults = []
            _ask(self._control, "POST", [])

    def requests(self, bucket: str) -> Counter[str]:
        """How many requests of a bucket came until now, by method."""
        name = bucket.partition("://")[2]
        found = json.loads(_ask(self._control, "GET"))
        return Counter({method: count for each, method, count in found if each == name})

    def stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)


@functools.cache
def _started(process: int) -> Emulators:
    return Emulators()


def start() -> Emulators:
    """The emulators of this test process; `stop` ends them."""
    return _started(os.getpid())


def stop() -> None:
    """Ends the emulators of this test process, where it started some."""
    if _started.cache_info().currsize:
        _started(os.getpid()).stop()
        _started.cache_clear()


def connect(monkeypatch: pytest.MonkeyPatch) -> Emulators:
    """The emulators, which this process and those that it starts find while the patch lasts."""
    emulators = start()
    for name, value in emulators.environment.items():
        monkeypatch.setenv(name, value)
    return emulators


def _ask(url: str, method: str, content: Any = None) -> bytes:
    body = None if content is None else json.dumps(content).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        found: bytes = answer.read()
    return found
