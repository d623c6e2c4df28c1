"""What Vertex AI's REST interface answers of jobs and schedules, as its reference says.

https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.pipelineJobs, and
customJobs and schedules beside it: a pipeline job's name has the number of the project, its id is
given by who starts it, and is taken once (409).
"""

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
NUMBER = "1234567890"
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


class VertexJobsApi:
    """What was asked, the pipeline jobs by id, the schedules and trainings by number.

    `refusals` are statuses that the next requests are answered with, one each; `lost` of the next
    starts are carried out and answered with 503. `on_poll` changes a job before it is told,
    `on_training` is told of a training that was started.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.jobs: dict[str, Json] = {}
        self.schedules: dict[str, Json] = {}
        self.trainings: dict[str, Json] = {}
        self.refusals: list[int] = []
        self.message = "not for you"
        self.lost = 0
        self.on_poll: Callable[[Json], None] = lambda job: None
        self.on_training: Callable[[Json], None] = lambda job: None

    def answer(self, method: str, path: str, query: Json, body: Json | None) -> tuple[int, Json]:
        self.asked.append((method, path))
        if self.refusals:
            return _error(self.refusals.pop(0), self.message)
        match = re.fullmatch(r"/v1/projects/([^/]+)/locations/([^/]+)/(\w+)(?:/([^/]+))?", path)
        if match is None:
            return _error(404, f"no such page: {path}")
        parent = f"projects/{NUMBER}/locations/{match[2]}"
        if match[3] == "customJobs":
            return self._training(method, parent, match[4], body)
        if match[3] == "pipelineJobs":
            return self._job(method, parent, match[4], query, body)
        return self._schedule(method, parent, match[4], query, body)

    def _job(
        self, method: str, parent: str, job_id: str | None, query: Json, body: Json | None
    ) -> tuple[int, Json]:
        if method == "GET" and job_id is not None:
            if job_id not in self.jobs:
                return _error(404, f"no job {job_id}")
            self.on_poll(self.jobs[job_id])
            return 200, self.jobs[job_id]
        job_id = query["pipelineJobId"]
        if job_id in self.jobs:
            return _error(409, f"there is a job {job_id}")
        name = f"{parent}/pipelineJobs/{job_id}"
        self.jobs[job_id] = (body or {}) | {"name": name, "state": "PIPELINE_STATE_PENDING"}
        if self.lost:
            self.lost -= 1
            return _error(503, "try again")
        return 200, self.jobs[job_id]

    def _training(
        self, method: str, parent: str, number: str | None, body: Json | None
    ) -> tuple[int, Json]:
        if method == "POST" and number is not None:  # <number>:cancel
            self.trainings[number.removesuffix(":cancel")]["state"] = "JOB_STATE_CANCELLED"
            return 200, {}
        if number is not None:
            self.on_poll(self.trainings[number])
            return 200, self.trainings[number]
        number = str(len(self.trainings) + 1)
        name = f"{parent}/customJobs/{number}"
        self.trainings[number] = (body or {}) | {"name": name, "state": "JOB_STATE_PENDING"}
        self.on_training(self.trainings[number])
        return 200, self.trainings[number]

    def _schedule(
        self, method: str, parent: str, number: str | None, query: Json, body: Json | None
    ) -> tuple[int, Json]:
        if method == "GET":
            wanted = re.fullmatch(r'display_name="(.*)"', query["filter"])
            assert wanted is not None
            found = [s for s in self.schedules.values() if s["displayName"] == wanted[1]]
            return 200, {"schedules": found}
        if method == "DELETE":
            assert number is not None
            del self.schedules[number]
            return 200, {"name": f"{parent}/operations/1", "done": True}
        if method == "PATCH":
            assert number is not None and body is not None
            for field in query["updateMask"].split(","):
                self.schedules[number][field] = body[field]
            return 200, self.schedules[number]
        number = str(len(self.schedules) + 1)
        self.schedules[number] = (body or {}) | {
            "name": f"{parent}/schedules/{number}",
            "nextRunTime": "2026-12-07T03:00:00Z",
        }
        return 200, self.schedules[number]


def task(name: str, state: str, error: str = "", **outputs: Json) -> Json:
    """A task of a job as it is told; `outputs` are metadata by key."""
    found: Json = {"taskName": name, "state": state}
    if error:
        found["error"] = {"code": 9, "message": error}
    found["outputs"] = {
        key: {"artifacts": [{"uri": f"gs://bucket/{key}", "metadata": metadata}]}
        for key, metadata in outputs.items()
    }
    return found


def _error(status: int, message: str) -> tuple[int, Json]:
    return status, {
        "error": {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    }
