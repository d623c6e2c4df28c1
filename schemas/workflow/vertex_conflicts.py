"""What a workflow for Vertex AI lacks, and machines that do not exist."""

import re
from collections.abc import Iterator

from schemas.workflow.conflicts import Conflict
from schemas.workflow.run import Run
from schemas.workflow.vertex import TrainerPool, Vertex

# Which machines take which accelerators, and how many of them; other machines have a fixed number.
_ATTACHED = {
    "NVIDIA_TESLA_P4": (1, 2, 4),
    "NVIDIA_TESLA_P100": (1, 2, 4),
    "NVIDIA_TESLA_V100": (1, 2, 4, 8),
    "NVIDIA_TESLA_T4": (1, 2, 4),
}
_BUILT_IN = {
    "NVIDIA_L4": r"g2-standard-\d+",
    "NVIDIA_TESLA_A100": r"a2-(highgpu|megagpu)-(\d+)g",
    "NVIDIA_A100_80GB": r"a2-ultragpu-(\d+)g",
    "NVIDIA_H100_80GB": r"a3-(highgpu|edgegpu)-(\d+)g",
    "NVIDIA_H100_MEGA_80GB": r"a3-megagpu-(\d+)g",
    "NVIDIA_H200_141GB": r"a3-ultragpu-(\d+)g",
    "NVIDIA_B200": r"a4-highgpu-(\d+)g",
}
_L4_OF = {"24": 2, "48": 4, "96": 8}  # by vCPU; one on the smaller ones
_FORMS = {  # how a name has to look, and in words
    "project": (
        r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
        "a project's id, such as my-project",
    ),
    "region": (r"[a-z]+-[a-z]+[0-9]+", "a region, such as europe-west4, no zone"),
    "image": (
        r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:\w[\w.-]*)?(@sha256:[0-9a-f]{64})?",
        "an image, such as europe-docker.pkg.dev/my-project/auricle/auricle:0.1.0",
    ),
    "service_account": (
        r"[^@\s]+@[^@\s]+\.[^@\s]+",
        "an account, such as name@my-project.iam.gserviceaccount.com",
    ),
    "network": (
        r"projects/[^/\s]+/global/networks/[^/\s]+",
        "a network, such as projects/12345/global/networks/default",
    ),
    "endpoint": (
        r"(https?://)?[A-Za-z0-9.-]+(:[0-9]+)?",
        "a host, such as one of your own network",
    ),
}
_LABEL = (r"[a-z][a-z0-9_-]{0,62}", r"[a-z0-9_-]{0,63}")
_MACHINE = r"[a-z][a-z0-9]*(-[a-z0-9]+)+"


def vertex_conflicts(run: Run) -> Iterator[Conflict]:
    """What a workflow for Vertex AI lacks, and what Google Cloud does not have."""
    vertex = run.vertex
    given = {"project": vertex.project, "region": vertex.region}
    missing = [name for name, value in given.items() if value is None]
    # Dataflow's options have both.
    if len(missing) == 1 and run.beam.runner != "DataflowRunner":
        yield Conflict(
            (f"run.vertex.{missing[0]}", "run.vertex"),
            f"no {missing[0]}",
            "both project and region of Google Cloud",
        )
    yield from _name_conflicts(vertex)
    if vertex.trainer is not None:
        yield from _machine_conflicts(vertex.trainer)


def _name_conflicts(vertex: Vertex) -> Iterator[Conflict]:
    for name, (form, expected) in _FORMS.items():
        value = getattr(vertex, name)
        if value is not None and not re.fullmatch(form, value):
            yield Conflict((f"run.vertex.{name}",), repr(value), expected)
    for key, value in vertex.labels.items():
        if not (re.fullmatch(_LABEL[0], key) and re.fullmatch(_LABEL[1], value)):
            yield Conflict(
                ("run.vertex.labels",),
                f"{key}: {value}",
                "keys and values of small letters, digits, _ and -, at most 63 of them",
            )


def _machine_conflicts(pool: TrainerPool) -> Iterator[Conflict]:
    key = "run.vertex.trainer"
    if not re.fullmatch(_MACHINE, pool.machine):
        yield Conflict(
            (f"{key}.machine",), repr(pool.machine), "a machine type, such as n1-standard-8"
        )
        return
    if pool.accelerator is None:
        if "count" in pool.model_fields_set:
            yield Conflict(
                (f"{key}.count", f"{key}.accelerator"), "a count of no accelerator", "both"
            )
        if re.match("(a2|a3|a4|g2)-", pool.machine):
            yield Conflict(
                (f"{key}.machine", f"{key}.accelerator"),
                f"{pool.machine}, which has GPUs, without its accelerator",
                "the accelerator and its count beside it, or a machine without GPUs",
            )
        return
    if (counts := _ATTACHED.get(pool.accelerator)) is not None:
        if not pool.machine.startswith("n1-"):
            yield Conflict(
                (f"{key}.accelerator", f"{key}.machine"),
                f"{pool.accelerator} in {pool.machine}",
                "a machine of n1, such as n1-standard-8",
            )
        if pool.count not in counts:
            yield Conflict((f"{key}.count",), str(pool.count), f"one of {counts}")
        return
    expected = _BUILT_IN[pool.accelerator]
    if (match := re.fullmatch(expected, pool.machine)) is None:
        family = re.sub(r"\\d\+|\(\\d\+\)", "N", expected)
        yield Conflict(
            (f"{key}.accelerator", f"{key}.machine"),
            f"{pool.accelerator} in {pool.machine}",
            family,
        )
        return
    has = (
        _L4_OF.get(pool.machine.rpartition("-")[2], 1)
        if not match.groups()
        else int(match[match.lastindex or 0])
    )
    if pool.count != has:
        yield Conflict(
            (f"{key}.count", f"{key}.machine"), str(pool.count), f"{has}, as {pool.machine} has"
        )
