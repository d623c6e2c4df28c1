"""Runs the commands of containers, each in a process and folder of its own that is forked from one
which has imported the libraries: importing TFX costs more than what most steps do.

    python container_server.py < requests > answers

A request is a line of JSON: number, command, folder, environment, log file. An answer is a line
with number and exit code. A command is `python -m MODULE ARGUMENTS`.
"""

import importlib
import json
import os
import runpy
import sys
import tempfile
import threading
import traceback
import warnings
from typing import Any

_IMPORTED = (
    "components.container",
    "components.custom_job",
    "components.data_gate.executor",
    "components.evaluator.executor",
    "components.example_gen.executor",
    "components.model_gate.executor",
    "components.pusher.executor",
    "components.report.executor",
    "components.serving_check.executor",
    "components.statistics_gen.executor",
    "components.trainer.run_fn",
    "tfx.components.example_validator.executor",
    "tfx.components.schema_gen.import_schema_gen",
    "tfx.components.trainer.executor",
)


def serve() -> None:
    """Answers until standard input ends."""
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for name in _IMPORTED:
        importlib.import_module(name)
    lock = threading.Lock()

    def answer(number: int, child: int) -> None:
        _, status = os.waitpid(child, 0)
        with lock:
            answers.write(json.dumps([number, os.waitstatus_to_exitcode(status)]) + "\n")

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(request))
        threading.Thread(target=answer, args=(request["number"], child), daemon=True).start()


def _run(request: dict[str, Any]) -> int:
    """In the child: what `python -m` would do."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, number)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # as the environment says
    python, option, module, *arguments = request["command"]
    assert (python, option) == ("python", "-m")
    sys.argv = [module, *arguments]
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve()
