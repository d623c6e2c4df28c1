"""Whatever writes, it goes to the log; the terminal is handed to who should draw on it."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging, os, subprocess, sys
from pathlib import Path
from pipeline.runners.console.capture import logged_to
print("before")
with logged_to(Path(sys.argv[1])) as terminal:
    print("printed")
    logging.getLogger("library").info("logged")
    os.write(2, b"native\\n")
    subprocess.run(["echo", "child"], check=True)
    print("for the person", file=terminal)
print("after")
"""


def test_only_the_terminal_shows_on_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "run.log"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, check=True
    )
    assert run.stdout == "before\nfor the person\nafter\n"
    assert run.stderr == ""
    text = log.read_text()
    assert all(word in text for word in ("printed", "INFO library: logged", "native", "child"))
