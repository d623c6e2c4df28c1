"""On which devices a model is trained: those of this machine, or of all machines of a cluster.

A cluster is what `TF_CONFIG` says: addresses of a chief and of workers, and which of them this
process is. Vertex AI sets it, and `CLUSTER_SPEC`, which says the same in its own words.
"""

import contextlib
import functools
import hashlib
import itertools
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import tensorflow as tf
from tensorflow.python.eager import context as eager_context
from tensorflow.tsl.protobuf import coordination_config_pb2

from schemas.errors import AuricleError, WorkflowError
from schemas.workflow.train import Train

_VERTEX_POOLS = {"workerpool0": "chief", "workerpool1": "worker"}
_ROLES = ("chief", "worker")
_JOIN_WAIT_S = 900.0  # machines of a cluster are started together, their images may take minutes
_LOOK_S, _LOOK_AGAIN_S = 5.0, 0.2
_DIGEST_BYTES = 3  # of numbers whose squares can be summed over machines
# What TensorFlow raises of machines that are not there, or no longer.
_GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@dataclass(frozen=True)
class Devices:
    """What training is spread over: a replica of the model on each device of every worker.

    `worker` is the number of this process among `workers`, the chief has 0: it alone writes.
    """

    strategy: tf.distribute.Strategy = field(default_factory=tf.distribute.get_strategy)
    worker: int = 0
    workers: int = 1

    @property
    def replicas(self) -> int:
        """On all workers together."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def replicas_here(self) -> int:
        return self.replicas // self.workers

    @property
    def is_chief(self) -> bool:
        return self.worker == 0

    def add_up(self, *numbers: int) -> list[int]:
        """The sum of each over all workers, once every one of them has come here.

        Raises:
            AuricleError: another machine is gone.
        """
        if self.workers == 1:
            return list(numbers)
        with naming_who_is_gone():
            [first, *_] = self.strategy.experimental_local_results(
                _sum_over_workers(self.strategy, tf.constant(numbers, tf.int64))
            )
        return [int(each) // self.replicas_here for each in first]

    def wait(self) -> None:
        """Until every worker has come here."""
        self.add_up(1)


@contextlib.contextmanager
def naming_who_is_gone() -> Iterator[None]:
    """What TensorFlow says of a machine that left, as an AuricleError."""
    try:
        yield
    except _GONE as error:
        reason = error.message.strip().splitlines()[-1]
        raise AuricleError(
            "another machine of this training is gone; start all of them again, and they go on"
            f" after the last finished epoch ({reason[:300]})"
        ) from error


def are_same(devices: Devices, *numbers: int) -> bool:
    """Whether every worker calls this with the same `numbers`, each below 2^24."""
    sums = devices.add_up(*numbers, *(number**2 for number in numbers))
    pairs = zip(sums[: len(numbers)], sums[len(numbers) :], strict=True)
    # Equal only of equal numbers, by Cauchy and Schwarz.
    return all(total**2 == squares * devices.workers for total, squares in pairs)


def check_same(devices: Devices, settings: str, data: str) -> None:
    """Every worker has to train with the same settings, on the same clips.

    Raises:
        WorkflowError: another worker has others.
    """
    for what, text in (("settings, files or model to start from", settings), ("clips", data)):
        digest = hashlib.sha256(text.encode()).digest()
        numbers = (digest[:_DIGEST_BYTES], digest[_DIGEST_BYTES : 2 * _DIGEST_BYTES])
        if not are_same(devices, *(int.from_bytes(each, "big") for each in numbers)):
            raise WorkflowError(
                f"machine {devices.worker} of {devices.workers} that train together has other"
                f" {what} than another one, expected the same on all: start them from one workflow"
                " file and one run directory that all of them reach"
            )


def find_devices(train: Train, environment: Mapping[str, str] = os.environ) -> Devices:
    """What `train.devices` asks for; of a cluster, all its workers once every one has called this.

    To be called before anything else of TensorFlow: a cluster cannot be joined later.

    Raises:
        WorkflowError: a device that is not there, a cluster that cannot be used, or a batch that
            cannot be divided evenly.
    """
    cluster = _read_cluster(environment)
    machines = sum(map(len, cluster["cluster"].values())) if cluster else 1
    if train.devices == "workers" and machines == 1:
        raise WorkflowError(
            "train.devices: got workers and no TF_CONFIG with several machines, expected the"
            " addresses of a chief and of workers, as Vertex AI sets them"
        )
    if train.devices in ("auto", "workers") and cluster and machines > 1:
        found = _join(json.dumps(cluster))
    elif machines > 1:
        raise WorkflowError(
            f"train.devices: got {train.devices}, which is of one machine, on one of {machines}"
            " that TF_CONFIG names, expected workers or auto: each would train a model of its own"
        )
    else:
        found = _of_this_machine(train.devices)
    if train.batch_size % found.replicas:
        raise WorkflowError(
            f"train.batch_size: got {train.batch_size} clips for {found.replicas} devices, expected"
            f" a multiple of {found.replicas}, so that each has as many"
        )
    return found


def find_precision(train: Train, devices: Devices) -> str:
    """The Keras dtype policy that `train.precision` asks for.

    `auto` is mixed where every GPU is fast at it, else float32.

    Raises:
        WorkflowError: float16 without a GPU, or on several of them.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if train.precision == "auto":
        found = precision_of(
            [
                tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
                for gpu in gpus
            ]
        )
        # Float16 needs its loss scaled, which Keras does for one device.
        return "float32" if found == "mixed_float16" and devices.replicas > 1 else found
    if train.precision == "mixed_float16" and (not gpus or devices.replicas > 1):
        where = f"on {devices.replicas} devices" if gpus else "without a GPU"
        raise WorkflowError(
            f"train.precision: got mixed_float16 {where}, expected mixed_bfloat16 or float32, or"
            " one GPU"
        )
    return train.precision


def precision_of(capabilities: list[tuple[int, int]]) -> str:
    """What the slowest of GPUs with these compute capabilities is good at; float32 of none."""
    slowest = min(capabilities, default=(0, 0))
    if slowest >= (8, 0):  # Ampere
        return "mixed_bfloat16"
    if slowest >= (7, 0):  # Volta, Turing: tensor cores for float16 only
        return "mixed_float16"
    return "float32"


def _of_this_machine(asked: Literal["auto", "cpu", "workers"] | int) -> Devices:
    gpus = tf.config.list_physical_devices("GPU")
    if isinstance(asked, int):
        if asked > len(gpus):
            there = f"{len(gpus)} on this machine" if gpus else "none on this machine"
            raise WorkflowError(
                f"train.devices: got {asked} GPU{'s' if asked > 1 else ''}, of which there are"
                f" {there}, expected {'at most that many, ' if gpus else ''}auto or cpu"
            )
        gpus = gpus[:asked]
    elif asked == "cpu":
        gpus = []
    tf.config.set_visible_devices(gpus, "GPU")
    return mirrored([f"GPU:{number}" for number in range(len(gpus))])


def mirrored(names: list[str]) -> Devices:
    """Devices of this machine by `names`; of one or none, what TensorFlow takes by itself."""
    if len(names) < 2:
        return Devices()
    return Devices(tf.distribute.MirroredStrategy(names))


def _read_cluster(environment: Mapping[str, str]) -> dict | None:
    """What TF_CONFIG says, or CLUSTER_SPEC where only that is set; None where neither is."""
    if text := environment.get("TF_CONFIG"):
        name, pools = "TF_CONFIG", {role: role for role in _ROLES}
    elif text := environment.get("CLUSTER_SPEC"):
        name, pools = "CLUSTER_SPEC", _VERTEX_POOLS
    else:
        return None
    try:
        found = json.loads(text)
        addresses = {role: list(each) for role, each in found.get("cluster", {}).items() if each}
        task = found.get("task", {})
        first = next(iter(pools))
        role, index = task.get("type", first), int(task.get("index", 0))
        strange = {*addresses, *([role] if addresses else [])} - pools.keys()
        if strange:
            raise ValueError(f"no chief or worker: {', '.join(sorted(strange))}")
        if addresses and not 0 <= index < len(addresses.get(role, ())):
            raise ValueError(f"no address of {role} {index}")
        _check_addresses(addresses.get(first, []), list(itertools.chain(*addresses.values())))
    except (ValueError, TypeError, AttributeError) as error:
        raise WorkflowError(
            f"{name}: cannot be used ({error}), expected the addresses of a chief and of workers,"
            " and which of them this is, as Vertex AI sets them"
        ) from error
    return {
        "cluster": {pools[role]: each for role, each in addresses.items()},
        "task": {"type": pools.get(role, "chief"), "index": index},
    }


def _check_addresses(chiefs: list, addresses: list) -> None:
    """One chief at most, and a host and port for each machine, of its own."""
    if len(chiefs) > 1:
        raise ValueError(f"{len(chiefs)} chiefs")
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is not a host and a port")
    if len(set(addresses)) < len(addresses):
        raise ValueError("two machines of one address")


@functools.cache  # TensorFlow lets a process join once
def _join(cluster: str) -> Devices:
    """The cluster of this JSON, when all its machines are there.

    Raises:
        WorkflowError: they do not come within `_JOIN_WAIT_S`.
    """
    found = json.loads(cluster)
    addresses, role, index = found["cluster"], found["task"]["type"], found["task"]["index"]
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec(addresses), task_type=role, task_id=index, rpc_layer="grpc"
    )
    leader = "chief" if "chief" in addresses else "worker"
    every = [each for job in _ROLES for each in addresses.get(job, [])]
    if (role, index) == (leader, 0):
        _wait_for(every)
    # TensorFlow itself would wait an hour.
    eager_context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{leader}/replica:0/task:0",
        cluster_register_timeout_in_ms=round(_JOIN_WAIT_S * 1000),
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=len(each))
            for job, each in addresses.items()
        ],
    )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except _GONE as error:
        raise _nobody_came(every) from error
    return Devices(
        strategy,
        worker=index if role == "chief" else len(addresses.get("chief", ())) + index,
        workers=sum(map(len, addresses.values())),
    )


def _wait_for(addresses: list[str]) -> None:
    """Until somebody listens at each of them but the first, which is ours.

    The other machines listen at once and look for the first one, for as long; TensorFlow lets the
    first wait for them without end.

    Raises:
        WorkflowError: that did not happen within `_JOIN_WAIT_S`.
    """
    until = time.monotonic() + _JOIN_WAIT_S
    for address in addresses[1:]:
        host, _, port = address.rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=_LOOK_S).close()
                break
            except OSError as error:
                if time.monotonic() > until:
                    raise _nobody_came(addresses) from error
                time.sleep(_LOOK_AGAIN_S)


def _nobody_came(addresses: list[str]) -> WorkflowError:
    return WorkflowError(
        f"TF_CONFIG: not all of {len(addresses)} machines came within {_JOIN_WAIT_S:.0f} s,"
        f" expected a process like this one at each of its addresses: {', '.join(addresses)}"
    )


def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Of a tensor, or of each of a list, within a replica.

    The shape has to be the same on all replicas and in every step: TensorFlow keeps that of the
    first for a collective.
    """
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, value)


@tf.function(autograph=False)
def _sum_over_workers(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    return strategy.run(lambda each: sum_over_replicas(tf.identity(each)), args=(value,))
