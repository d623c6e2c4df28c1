"""A process that trains as one of several machines, or on virtual devices, as it is told to."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(orders: list[dict], environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that carries out `orders`, each with the keywords of a function below."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, json.dumps(orders)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_cluster(orders: list[dict], workers: int = 2) -> list[subprocess.Popen[str]]:
    """A chief and workers on this machine, who carry out the same `orders`."""
    ports = []
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
    for each in sockets:
        ports.append(each.getsockname()[1])
        each.close()
    chief, *others = (f"127.0.0.1:{port}" for port in ports)
    cluster = {"chief": [chief], "worker": others}
    return [
        start(
            orders,
            {
                "TF_CONFIG": json.dumps(
                    {
                        "cluster": cluster,
                        "task": {
                            "type": "worker" if number else "chief",
                            "index": max(number - 1, 0),
                        },
                    }
                )
            },
        )
        for number in range(workers)
    ]


def finish(processes: list[subprocess.Popen[str]], timeout_s: float = 600) -> list[str]:
    """What each of them printed."""
    return [process.communicate(timeout=timeout_s)[0] for process in processes]


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


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests/components/trainer")]
    for order in json.loads(sys.argv[1]):
        globals()[order.pop("call")](**order)
