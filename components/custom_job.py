"""What Trainer's container runs on Vertex AI where the workflow names machines to train on.

    python -m components.custom_job --custom_job JSON --executor_class_path ...

The container is a small one: it has the machines run `components.container` with the other
arguments, all of them the same, and waits. Vertex AI tells each machine of its part in TF_CONFIG
and CLUSTER_SPEC; the first one is the chief, who writes the model.
"""

import argparse
import signal
import sys
import time
import warnings
from types import FrameType
from typing import Any

from components.vertex_rest import LIMIT_S, PATIENCE, Place, explained, one_line, rest_options
from schemas.errors import JobError
from schemas.training_machines import TrainingMachines

with warnings.catch_warnings():  # the library's, of this version of Python
    warnings.simplefilter("ignore")
    from google.cloud import aiplatform_v1 as vertex
    from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceRestTransport

COMMAND = ["python", "-m", "components.container"]
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED", "PARTIALLY_SUCCEEDED")
_TERMINATED = 128 + signal.SIGTERM


def custom_job(machines: TrainingMachines, arguments: list[str]) -> dict[str, Any]:
    """The CustomJob, as its REST reference has it: a pool of the chief, and one of the workers."""
    machine: dict[str, Any] = {"machineType": machines.machine}
    if machines.accelerator is not None:
        machine |= {"acceleratorType": machines.accelerator, "acceleratorCount": machines.count}
    container = {
        "imageUri": machines.image,
        "command": COMMAND,
        "args": arguments,
        "env": [{"name": k, "value": v} for k, v in sorted(machines.environment.items())],
    }
    pool = {"machineSpec": machine, "containerSpec": container}
    pools = [pool | {"replicaCount": "1"}]
    if machines.replicas > 1:
        pools.append(pool | {"replicaCount": str(machines.replicas - 1)})
    spec: dict[str, Any] = {"workerPoolSpecs": pools}
    if machines.replicas > 1:  # a cluster cannot go on with one that has begun anew
        spec["scheduling"] = {"restartJobOnWorkerRestart": True}
    if machines.service_account is not None:
        spec["serviceAccount"] = machines.service_account
    if machines.network is not None:
        spec["network"] = machines.network
    return {"displayName": machines.name, "jobSpec": spec, "labels": machines.labels}


def train(machines: TrainingMachines, arguments: list[str]) -> None:
    """Starts the job and waits for its end; cancels it where this process is told to end.

    Raises:
        JobError: Vertex AI refuses the job, or it did not succeed.
    """
    from google.protobuf import json_format

    message = vertex.CustomJob(
        json_format.ParseDict(
            custom_job(machines, arguments), vertex.CustomJob.pb(vertex.CustomJob())
        )
    )
    place = Place(machines.project, machines.region, machines.endpoint)
    with explained("start the training", place):
        client = vertex.JobServiceClient(transport=JobServiceRestTransport(**rest_options(place)))
        job = client.create_custom_job(
            parent=place.parent, custom_job=message, retry=PATIENCE, timeout=LIMIT_S
        )
    print(f"training on {machines.replicas} x {machines.machine}: {job.name}", flush=True)  # noqa: T201 - the container's log
    try:
        while (state := job.state.name.removeprefix("JOB_STATE_")) not in _ENDED:
            time.sleep(machines.poll_s)
            with explained(f"read {job.name}", place):
                job = client.get_custom_job(name=job.name, retry=PATIENCE, timeout=LIMIT_S)
    except SystemExit:
        with explained(f"cancel {job.name}", place):
            client.cancel_custom_job(name=job.name, retry=PATIENCE, timeout=LIMIT_S)
        raise
    if state != "SUCCEEDED":
        said = one_line(job.error.message) or "Vertex AI does not say why"
        raise JobError(f"{job.name} ended as {state.lower()}: {said}")


def main() -> None:
    """Ends the process with 2 where the training did not succeed; what its container left as last
    words is what counts, and stays.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--custom_job", required=True)
    own, arguments = parser.parse_known_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        train(TrainingMachines.model_validate_json(own.custom_job), arguments)
    except JobError as error:
        from components.container import leave_words

        leave_words(arguments, error)
        sys.exit(error.exit_code)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    main()
