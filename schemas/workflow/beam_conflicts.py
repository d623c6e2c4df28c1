"""What each Beam runner needs to know before anything starts, and what contradicts it.

Looks at the runner's own values and at what its workers cannot reach. Whether Beam knows an option,
and takes its type, says `pipeline.dag.beam`, which asks Beam. Pure Python.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.workflow.conflicts import Conflict
from schemas.workflow.data import Data
from schemas.workflow.run import Beam, BeamRunner, Run, Value

REQUIRED_OPTIONS: dict[BeamRunner, tuple[str, ...]] = {
    "DirectRunner": (),
    "DataflowRunner": ("project", "region", "temp_location", "sdk_container_image"),
    "FlinkRunner": ("flink_master",),
    "SparkRunner": ("spark_master_url",),
    "PortableRunner": ("job_endpoint",),
}

# Options that would have a step end before its work is done, or start work of another kind;
# what would be right instead.
_NEVER = {
    "runner": "the runner as run.beam.runner",
    "streaming": "no such option: ingest is a batch",
    "no_wait_until_finish": "no such option: steps wait for each other",
    "template_location": "no such option: a template is no job that runs",
    "update": "no such option: every step is a new job",
    "create_from_snapshot": "no such option: every step is a new job",
}
_SECRET = (
    "s3_access_key_id",
    "s3_secret_access_key",
    "s3_session_token",
    "azure_connection_string",
)


@dataclass(frozen=True)
class _Form:
    """How a value has to look, and in words."""

    pattern: str
    expected: str

    def fits(self, value: Value) -> bool:
        return re.fullmatch(self.pattern, str(value), re.ASCII) is not None


_BUCKET = _Form(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?", "a Cloud Storage URI: gs://bucket/folder")
_IMAGE = _Form(
    r"([A-Za-z0-9.-]+(:\d+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:\w[\w.-]{0,127})?(@sha256:[0-9a-f]{64})?",
    "the name of a container image: registry/project/auricle-beam:tag",
)
_ADDRESS = r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}"
_MACHINE = _Form(r"[a-z][a-z0-9]*(-[a-z0-9]+)+", "a machine type: n2-standard-4")
_FORMS: dict[BeamRunner, dict[str, _Form]] = {
    "DirectRunner": {},
    "DataflowRunner": {
        "project": _Form(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "a project's id"),
        "region": _Form(r"[a-z]+-[a-z]+\d+", "a region: europe-west4"),
        "temp_location": _BUCKET,
        "staging_location": _BUCKET,
        "sdk_container_image": _IMAGE,
        "machine_type": _MACHINE,
        "worker_machine_type": _MACHINE,
        "service_account_email": _Form(
            r"[^@\s]+@[^@\s]+\.[^@\s]+", "an account: name@project.iam.gserviceaccount.com"
        ),
        "labels": _Form(
            r"[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}", "key=value in small letters, digits, _ and -"
        ),
    },
    "FlinkRunner": {
        "flink_master": _Form(
            rf"\[(local|auto|collection)\]|(https?://)?{_ADDRESS}", "[local] or host:port"
        ),
    },
    "SparkRunner": {
        "spark_master_url": _Form(
            r"local(\[(\d+|\*)\])?|(spark|mesos|k8s)://\S+|yarn", "local[4] or spark://host:port"
        ),
    },
    "PortableRunner": {"job_endpoint": _Form(rf"embed|{_ADDRESS}", "the job service's host:port")},
}
_LOCAL = re.compile(
    r"embed|local(\[.*\])?|\[\w+\]|(\w+://)?(localhost|127(\.\d+){3}|\[::1\])(:\d+)?"
)

_ENVIRONMENTS = ("DOCKER", "EXTERNAL", "PROCESS", "LOOPBACK")
_WORKERS_IN = "run.beam.options.environment_config"


def beam_conflicts(run: Run, data: Data) -> Iterator[Conflict]:
    """Between a Beam runner, its options, and where the files lie."""
    beam = run.beam
    missing = [name for name in REQUIRED_OPTIONS[beam.runner] if name not in beam.options]
    if missing:
        yield Conflict(
            ("run.beam.runner", *map(_key, missing)),
            f"{beam.runner} without {', '.join(missing)}",
            f"{', '.join(missing)} under run.beam.options",
        )
    if beam.workers is not None and beam.runner != "DirectRunner":
        yield Conflict(
            ("run.beam.workers", "run.beam.runner"),
            f"workers for the {beam.runner}",
            "workers with the DirectRunner only; other runners take theirs from run.beam.options",
        )
    yield from _refused_options(beam)
    yield from _misshapen_options(beam)
    if beam.runner == "DirectRunner":
        yield from _direct_conflicts(beam)
    elif beam.runner == "DataflowRunner":
        yield from _dataflow_conflicts(beam)
    else:
        yield from _environment_conflicts(beam)
    yield from _disk_conflicts(run, data)


def sees_this_disk(beam: Beam) -> bool:
    """Whether the workers of a runner read and write the files of this machine."""
    if beam.runner == "DirectRunner":
        return True
    [master] = REQUIRED_OPTIONS[beam.runner] if beam.runner != "DataflowRunner" else [""]
    environment = beam.options.get("environment_type", "DOCKER")
    addresses = [str(beam.options.get(master, ""))]
    if environment == "EXTERNAL":
        addresses.append(_external_address(beam))
    is_near = all(_LOCAL.fullmatch(address) for address in addresses)
    return is_near and environment in ("EXTERNAL", "PROCESS", "LOOPBACK")


def _key(option: str) -> str:
    return f"run.beam.options.{option}"


def _refused_options(beam: Beam) -> Iterator[Conflict]:
    for name, expected in _NEVER.items():
        if beam.options.get(name):
            got = "a runner among the options" if name == "runner" else repr(beam.options[name])
            yield Conflict((_key(name), "run.beam.runner"), got, expected)
    for name in _SECRET:
        if name in beam.options:
            yield Conflict(
                (_key(name),),
                "a credential",
                "none in a file: clients find theirs in the environment and where the platform"
                " keeps them",
            )


def _misshapen_options(beam: Beam) -> Iterator[Conflict]:
    for name, form in _FORMS[beam.runner].items():
        given = beam.options.get(name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and not form.fits(value):
                yield Conflict((_key(name),), repr(value), form.expected)


def _direct_conflicts(beam: Beam) -> Iterator[Conflict]:
    """Workers that would not be started."""
    count = beam.options.get("direct_num_workers", 1)
    if count != 1 and beam.options.get("direct_running_mode", "in_memory") == "in_memory":
        yield Conflict(
            (_key("direct_num_workers"), _key("direct_running_mode")),
            f"{count} workers in one process and thread",
            "direct_running_mode: multi_processing or multi_threading; or run.beam.workers, which"
            " decode side by side",
        )


def _dataflow_conflicts(beam: Beam) -> Iterator[Conflict]:
    """Among the numbers and places of Dataflow's workers."""
    options = beam.options
    start, most = options.get("num_workers"), options.get("max_num_workers")
    if isinstance(start, int) and isinstance(most, int) and start > most:
        yield Conflict(
            (_key("num_workers"), _key("max_num_workers")),
            f"{start} workers to begin with and {most} at most",
            "no more to begin with than at most",
        )
    if options.get("autoscaling_algorithm") == "NONE" and most is not None:
        yield Conflict(
            (_key("max_num_workers"), _key("autoscaling_algorithm")),
            "a greatest number of workers without autoscaling",
            "num_workers, which is how many there are then",
        )
    zone, region = options.get("worker_zone"), options.get("worker_region")
    if zone is not None and region is not None:
        yield Conflict(
            (_key("worker_zone"), _key("worker_region")),
            "both worker_zone and worker_region",
            "one of them",
        )
    home = region or options.get("region")
    if zone is not None and home is not None and not str(zone).startswith(f"{home}-"):
        yield Conflict(
            (_key("worker_zone"), _key("region")), f"{zone} outside {home}", "one zone in it"
        )


def _environment_conflicts(beam: Beam) -> Iterator[Conflict]:
    """What the workers of a portable runner run in."""
    kind = beam.options.get("environment_type", "DOCKER")
    config = beam.options.get("environment_config")
    keys = (_key("environment_type"), _WORKERS_IN, "run.beam.runner")
    if kind not in _ENVIRONMENTS:
        yield Conflict((keys[0],), repr(kind), f"one of {', '.join(_ENVIRONMENTS)}")
    elif kind == "LOOPBACK" and config is not None:
        yield Conflict(
            keys, "environment_config for workers in this process", "no environment_config"
        )
    elif kind == "LOOPBACK" and not sees_this_disk(beam):
        yield Conflict(
            keys, "LOOPBACK with a cluster elsewhere", "DOCKER, EXTERNAL or PROCESS: workers there"
        )
    elif kind == "DOCKER" and (config is None or not _IMAGE.fits(config)):
        got = f"{beam.runner} without an image for its workers" if config is None else repr(config)
        yield Conflict(keys, got, f"environment_config: {_IMAGE.expected}")
    elif kind == "EXTERNAL" and not re.fullmatch(_ADDRESS, _external_address(beam)):
        yield Conflict(keys, repr(config), "environment_config: host:port of a worker pool")
    elif kind == "PROCESS" and not _fields(config).get("command"):
        yield Conflict(keys, repr(config), 'environment_config: {"command": "..."}, as text')


def _external_address(beam: Beam) -> str:
    """Of the worker pool; Beam takes it alone or in JSON."""
    config = beam.options.get("environment_config", "")
    return str(_fields(config).get("url") or config)


def _fields(config: Value | None) -> dict[str, object]:
    try:
        fields = json.loads(str(config))
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _disk_conflicts(run: Run, data: Data) -> Iterator[Conflict]:
    """Files of this machine that workers elsewhere have to read or write."""
    if sees_this_disk(run.beam):
        return
    places = {"run.directory": run.directory or "", "data.folder": data.folder}
    for key, place in places.items():
        if place is not None and "://" not in place:
            yield Conflict(
                ("run.beam.runner", key),
                f"{place or 'a run directory'} on this machine, whose disk the workers of the"
                f" {run.beam.runner} do not see",
                f"{key} in an object store: gs://bucket/folder or s3://bucket/folder",
            )
