"""Processes that train as one of several machines, or on virtual devices, as they are told to.

TFX and TensorFlow are imported once, before the forks; TensorFlow's threads start after them.
"""

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]


class Done(NamedTuple):
    """How a process ended; `code` is negative where a signal ended it."""

    code: int
    said: str


class WarmProcess:
    """A process that has imported what trainings need, and forks for each."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, orders: list[dict], environments: list[dict[str, str]]) -> list[Done]:
        """Carries out `orders`, each with the keywords of a function below, in a process for each
        of the `environments`, all at once.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([orders, environments]) + "\n")
        self._process.stdin.flush()
        return [Done(*each) for each in json.loads(self._process.stdout.readline())]

    def run_cluster(self, orders: list[dict], workers: int = 2) -> list[Done]:
        """A chief and workers on this machine, who carry out the same `orders`."""
        ports = []
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
        for each in sockets:
            ports.append(each.getsockname()[1])
            each.close()
        chief, *others = (f"127.0.0.1:{port}" for port in ports)
        cluster = {"chief": [chief], "worker": others}
        tasks = [{"type": "chief", "index": 0}]
        tasks += [{"type": "worker", "index": number} for number in range(workers - 1)]
        return self.run(
            orders,
            [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks],
        )

    def close(self) -> None:
        """Ends it, and what it has forked."""
        with self._process:  # which closes the pipes, and waits
            pass


def train(folder: str, files: dict[str, list[str]], **settings: object) -> None:
    """The whole training of TFX's Trainer; `devices: workers` among the settings makes it one."""
    import small_training

    small_training.train(Path(folder), files, **settings)


def refuse(folder: str, files: dict[str, list[str]], **settings: object) -> None:
    """The same, which is refused; a setting may be given for each machine."""
    from schemas.errors import WorkflowError

    number = int(json.loads(os.environ["TF_CONFIG"])["task"]["type"] != "chief")
    mine = {
        name: value[number] if isinstance(value, list) else value
        for name, value in settings.items()
    }
    try:
        train(folder, files, **mine)
    except WorkflowError as error:
        sys.stdout.write(f"refused: {error}\n")


def die_in_epoch(number: int, worker: int) -> None:
    """From now on, one of the workers is killed in the middle of the epoch of this number."""
    from components.trainer.recorder import Recorder

    if json.loads(os.environ["TF_CONFIG"])["task"]["type"] != ("worker" if worker else "chief"):
        return

    def killed(recorder: Recorder, step: int, logs: object = None) -> None:
        if len(recorder._checkpoint.history) == number - 1 and step == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    Recorder.on_train_batch_end = killed


def mirror(folder: str, files: dict[str, list[str]], lengths: bool, streamed: bool) -> None:
    """A training on two virtual devices, of clips of many lengths or of one."""
    import tensorflow as tf
    import test_together

    from components.trainer.devices import mirrored

    if not tf.config.list_logical_devices("CPU")[1:]:
        raise RuntimeError("virtual devices are made first")
    devices = mirrored(["CPU:0", "CPU:1"])
    test_together.fit_small(Path(folder), files, devices, lengths=lengths, streamed=streamed)


def two_devices() -> None:
    """From now on there are two virtual devices."""
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def stream(folder: str, files: dict[str, list[str]]) -> None:
    """A training as one of several machines, of clips that are streamed."""
    import test_together

    from components.trainer.devices import find_devices
    from schemas.workflow.train import Train

    devices = find_devices(Train(devices="workers"))
    test_together.fit_small(
        Path(folder), files, devices, lengths=False, streamed=True, architecture="cnn"
    )


def _serve() -> None:
    """Answers tasks, a line each, until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    importlib.import_module("test_together")
    for line in sys.stdin:
        orders, environments = json.loads(line)
        forked = [_fork(orders, environment) for environment in environments]
        done = []
        for pid, output in forked:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            output.seek(0)
            done.append((code, output.read().decode(errors="replace")))
        answers.write(json.dumps(done) + "\n")
        answers.flush()


def _fork(orders: list[dict], environment: dict[str, str]) -> tuple[int, IO[bytes]]:
    """A process that carries out `orders`, and the file of what it says."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
    pid = os.fork()
    if pid:
        return pid, output
    code = 1
    try:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)
        sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1)
        os.environ |= environment
        for order in orders:
            globals()[order.pop("call")](**order)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/components/trainer")]
    _serve()
