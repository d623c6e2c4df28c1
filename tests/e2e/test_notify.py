"""A whole run that tells a webhook, whose URL may not stay anywhere."""

import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from e2e.tiny import write_workflow

pytestmark = pytest.mark.e2e

TOKEN = "T0k3n-that-nobody-may-see"
AURICLE = [sys.executable, "-c", "from pipeline.cli import main; main()"]


def test_a_run_tells_and_keeps_no_url(project: Path) -> None:
    got: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    file = write_workflow(project, notify={"webhook": "AURICLE_WEBHOOK"})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://anna:{TOKEN}@127.0.0.1:{server.server_port}/{TOKEN}?key={TOKEN}"
        done = subprocess.run(
            [*AURICLE, "run", str(file)],
            capture_output=True,
            text=True,
            env=os.environ | {"AURICLE_WEBHOOK": url},
            check=False,
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert "  - could not notify AURICLE_WEBHOOK: answered 404 Not Found\n" in done.stdout
    [event] = got
    assert (event["event"], event["version"], event["run"]) == ("blessed", 1, 1)
    assert event["report"] == str(project / "runs" / "tones" / "report.html")
    kept = [path for path in project.rglob("*") if path.is_file()]
    assert len(kept) > 100
    assert [path for path in kept if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in done.stdout + done.stderr
    workflow = json.loads((project / "runs" / "tones" / "workflow.json").read_text())
    assert workflow["notify"]["webhook"] == "AURICLE_WEBHOOK"
