"""The project most whole-pipeline tests start from, and a webhook."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from e2e.tiny import write_recordings, write_workflow

TOKEN = "T0k3n-that-nobody-may-see"


@dataclass
class Webhook:
    """A server that answers 404; its URL holds a secret at every place where one can be."""

    url: str
    token: str = TOKEN
    got: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `workflow.yaml` and its recordings, never run."""
    write_recordings(tmp_path / "recordings")
    write_workflow(tmp_path)
    return tmp_path


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A real server on loopback."""
    got: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://anna:{TOKEN}@127.0.0.1:{server.server_port}/{TOKEN}?key={TOKEN}"
        yield Webhook(url, got=got)
        server.shutdown()
