"""How fast a model is trained, and with how much memory: on one device, on GPUs, on two workers.

    python benchmarks/training.py speed FOLDER [--clips 2048] [--repetitions 3] [--gpus 1]
    python benchmarks/training.py before FOLDER --checkout OTHER [--repetitions 5]
    python benchmarks/training.py memory FOLDER [--sizes 10000 100000 1000000]

`speed`: one process on one core, two processes as two machines on a core each, one process on both
cores, and GPUs where the machine has them. `before`: this code and that of another checkout, in
turn, with the same environment. `memory`: a few steps on more and more clips of 0.1 s, kept in
memory and streamed. Each run is a process of its own that trains as TFX's Trainer calls it.

Clips a second are those of the epochs after the first, in which functions are traced. The share of
peak is 3 times the operations of a forward pass of a clip, times clips a second, of what a large
product of matrices in the same arithmetic reaches on the same devices.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LABELS = ("no", "yes")
SPEED = {"rate": 16000, "seconds": 1.0, "epochs": 4, "batch_size": 64}
MEMORY = {"rate": 8000, "seconds": 0.1, "epochs": 1, "batch_size": 1024, "small": True}
Numbers = dict[str, float]


def main() -> None:
    if sys.argv[1] == "--child":
        sys.path.insert(0, os.environ["CHECKOUT"])
        print(json.dumps(train(**json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["speed", "before", "memory"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=2048)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--checkout", type=Path, default=ROOT)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    {"speed": compare_speed, "before": compare_before, "memory": compare_memory}[arguments.what](
        arguments
    )


def compare_speed(arguments: argparse.Namespace) -> None:
    """One worker and two, on a core each; one on all; GPUs."""
    files = write_clips(arguments.folder / "clips", arguments.clips, rate=16000, seconds=1.0)
    order = {"files": files, "clips": arguments.clips, **SPEED}
    ways: dict[str, dict[str, Any]] = {
        "one, a core": {"cores": ["0"]},
        "two, a core each": {"cores": ["0", "1"], "devices": "workers"},
        "one, two cores": {"cores": ["0,1"], "devices": "cpu"},
    }
    if arguments.gpus:
        ways["GPUs"] = {"cores": [""], "devices": arguments.gpus}
    found: dict[str, list[Numbers]] = {name: [] for name in ways}
    for repetition in range(arguments.repetitions):
        for name in sorted(ways, reverse=repetition % 2 == 1):
            way = ways[name]
            devices = {"devices": way["devices"]} if "devices" in way else {}
            found[name].append(run(arguments.folder, order | devices, way["cores"], ROOT))
    print_table(found, base="one, a core")


def compare_before(arguments: argparse.Namespace) -> None:
    """Both checkouts in turn, on the same clips."""
    files = write_clips(arguments.folder / "clips", arguments.clips, rate=16000, seconds=1.0)
    order = {"files": files, "clips": arguments.clips, **SPEED}
    checkouts = {"before": arguments.checkout.resolve(), "now": ROOT}
    found: dict[str, list[Numbers]] = {name: [] for name in checkouts}
    for repetition in range(arguments.repetitions):
        for name in sorted(checkouts, reverse=repetition % 2 == 1):
            found[name].append(run(arguments.folder, order, [""], checkouts[name]))
    print_table(found, base="before")


def compare_memory(arguments: argparse.Namespace) -> None:
    """An epoch of steps on more and more clips: kept in memory, and streamed."""
    found: dict[str, list[Numbers]] = {}
    for clips in arguments.sizes:
        folder = arguments.folder / f"clips-{clips}"
        files = write_clips(folder, clips, rate=8000, seconds=0.1)
        order = {"files": files, "clips": clips, **MEMORY}
        for name, cache_mb in {"in memory": 2048, "streamed": 0}.items():
            told = order | {"cache_mb": cache_mb}
            found[f"{clips:,} {name}"] = [run(arguments.folder, told, [""], ROOT)]
        shutil.rmtree(folder)
    print_table(found, base=f"{arguments.sizes[0]:,} in memory")


def print_table(found: dict[str, list[Numbers]], base: str) -> None:
    """Medians (range), and of clips a second the median of the ratios to `base`, pair by pair."""
    for name, runs in found.items():
        print(name)
        for key in runs[0]:
            print(f"  {key}: {spread([each[key] for each in runs])}")
        ratios = [
            mine["clips_per_s"] / other["clips_per_s"]
            for mine, other in zip(runs, found[base], strict=False)
        ]
        print(f"  clips_per_s / {base}: {spread(ratios)}")


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} - {max(values):.3f})"


def run(folder: Path, order: dict[str, Any], cores: list[str], checkout: Path) -> Numbers:
    """What the first of the processes measured; each runs on its `cores`, as a machine."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in cores]
        chief, *others = (f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
    processes = []
    for number, core in enumerate(cores):
        role = {"type": "worker", "index": number - 1} if number else {"type": "chief", "index": 0}
        cluster = {"cluster": {"chief": [chief], "worker": others}, "task": role}
        processes.append(
            subprocess.Popen(
                [
                    *(["taskset", "-c", core] if core else []),
                    *(sys.executable, "-W", "ignore", __file__, "--child"),
                    json.dumps(order | {"folder": str(out)}),
                ],
                env=os.environ
                | {"CHECKOUT": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3"}
                | ({"TF_CONFIG": json.dumps(cluster)} if others else {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit(f"a training failed: {answers}")
    return json.loads(answers[0].splitlines()[-1])


def write_clips(folder: Path, clips: int, rate: int, seconds: float) -> dict[str, list[str]]:
    """TFRecords of noise, 10,000 clips a file at most; no more are in memory than one."""
    import numpy as np
    import tensorflow as tf

    def example(label: str, pcm: bytes) -> bytes:
        feature = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            for name, value in (("audio", pcm), ("label", label.encode()))
        }
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    rng = np.random.default_rng(1)
    samples = round(rate * seconds)
    found: dict[str, list[str]] = {"train": [], "eval": []}
    for split, count in (("train", clips), ("eval", 128)):
        size = max(1, min(10_000, count // 8))
        for first in range(0, count, size):
            file = folder / f"Split-{split}" / f"data-{first:08d}"
            file.parent.mkdir(parents=True, exist_ok=True)
            with tf.io.TFRecordWriter(str(file)) as writer:
                for number in range(first, min(first + size, count)):
                    pcm = rng.integers(-3000, 3000, samples).astype("<i2").tobytes()
                    writer.write(example(LABELS[number % 2], pcm))
            found[split].append(str(file))
    return found


def train(
    folder: str,
    files: dict[str, list[str]],
    clips: int,
    rate: int,
    seconds: float,
    epochs: int,
    small: bool = False,
    **settings: Any,
) -> Numbers:
    """A training, in this process."""
    started = time.monotonic()
    from tfx.components.trainer.fn_args_utils import FnArgs

    from components.trainer.run_fn import run_fn
    from schemas.workflow.audio import Audio
    from schemas.workflow.augment import Augment
    from schemas.workflow.frontend import Frontend
    from schemas.workflow.model import Model
    from schemas.workflow.train import Train

    blocks = {
        "audio": Audio(sample_rate=rate, clip_s=seconds),
        "frontend": Frontend(),
        "augment": Augment(),
        "model": Model(layers=1, filters=4) if small else Model(),
        "train": Train(epochs=epochs, **settings),
    }
    workflow = {"name": "t", **{name: block.model_dump() for name, block in blocks.items()}}
    imported, cpu_s = time.monotonic(), sum(os.times()[:2])
    run_fn(
        FnArgs(
            train_files=[str(Path(files["train"][0]).parent / "*")],
            eval_files=[str(Path(files["eval"][0]).parent / "*")],
            serving_model_dir=f"{folder}/model",
            model_run_dir=f"{folder}/run",
            custom_config={
                "workflow": json.dumps(workflow),
                "generated": True,
                "examples": "e",
                "code": "c",
                "checkpoints": f"{folder}/checkpoints",
            },
        )
    )
    ended = time.monotonic()
    history = json.loads(Path(folder, "run", "history.json").read_text())
    epoch_s = statistics.median(
        [each["seconds"] for each in history[1:]] or [history[0]["seconds"]]
    )
    numbers = {
        "clips_per_s": clips / epoch_s,
        "whole_s": ended - imported,
        "cpu_s": sum(os.times()[:2]) - cpu_s,
        "import_s": imported - started,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }
    return numbers | measure_share(numbers["clips_per_s"], rate, seconds)


def measure_share(clips_per_s: float, rate: int, seconds: float) -> Numbers:
    """Of what the first GPU, or the CPU, reaches in a product of matrices."""
    import keras
    import tensorflow as tf

    from components.models import build_model
    from schemas.workflow.augment import Augment
    from schemas.workflow.frontend import Frontend
    from schemas.workflow.model import Model

    if "TF_CONFIG" in os.environ:  # the devices are a cluster's
        return {}
    model = build_model(
        num_outputs=len(LABELS),
        sample_rate=rate,
        clip_samples=round(rate * seconds),
        frontend=Frontend(),
        augment=Augment(),
        model=Model(),
        seed=1,
        variable_length=False,
    )
    call = tf.function(lambda waveform: model(waveform, training=False))
    with contextlib.redirect_stdout(sys.stderr):
        graph = call.get_concrete_function(tf.TensorSpec([1, round(rate * seconds)])).graph
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        operations = tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
    size = 4096 if tf.config.list_physical_devices("GPU") else 1024
    matrix = tf.random.normal([size, size], dtype=keras.config.dtype_policy().compute_dtype)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        tf.reduce_sum(tf.matmul(matrix, matrix)).numpy()
        times.append(time.perf_counter() - started)
    peak = 2 * size**3 / min(times)
    return {"mflop_a_clip": operations / 1e6, "share_of_peak": 3 * operations * clips_per_s / peak}


if __name__ == "__main__":
    main()
