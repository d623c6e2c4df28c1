"""A program that is killed where it calls a function."""

import signal
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import importlib, os, signal, sys
module, name = sys.argv[1].split(":")
owner = importlib.import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
calls = [int(sys.argv[2])]
function = getattr(owner, name)
def counted(*given, **named):
    calls[0] -= 1
    if calls[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*given, **named)
setattr(owner, name, counted)
sys.argv[1:] = sys.argv[4:]
exec({program!r})
"""
COMMAND = "from pipeline.cli import main; main()"


def killed_at(
    function: str, *arguments: str | Path, cwd: Path, program: str = COMMAND, call: int = 1
) -> None:
    """Runs `auricle` with these arguments, or another program, up to the nth call of a function,
    `module:name`.
    """
    code = _PROGRAM.replace("{program!r}", repr(program))
    command = [sys.executable, "-W", "ignore", "-c", code, function, str(call), "--"]
    done = subprocess.run(
        [*command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
