"""Vertex AI's jobs and schedules over Google's client: who asks, how long, and errors in words."""

import warnings
from typing import Any, NamedTuple

from google.api_core import exceptions

from components.vertex_rest import LIMIT_S, PATIENCE, Place, explained, one_line, rest_options

with warnings.catch_warnings():  # the library's, of this version of Python
    warnings.simplefilter("ignore")
    from google.cloud import aiplatform_v1 as vertex
    from google.cloud.aiplatform_v1.services.pipeline_service.transports import (
        PipelineServiceRestTransport,
    )
    from google.cloud.aiplatform_v1.services.schedule_service.transports import (
        ScheduleServiceRestTransport,
    )

_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}


class Step(NamedTuple):
    """A task of a job: `state` as Vertex AI has it (RUNNING, SUCCEEDED, FAILED, SKIPPED, ...), what
    it says of an error, and the metadata of its outputs by key.
    """

    state: str
    error: str
    outputs: dict[str, dict[str, Any]]


class Job(NamedTuple):
    """A pipeline job as it is now; its name has the number of the project."""

    name: str
    state: str
    error: str
    steps: dict[str, Step]

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED


class Schedule(NamedTuple):
    """A schedule: its name there, and when it starts a job next, in UTC; None where it ended."""

    name: str
    next_run: str | None


class VertexClient:
    """Jobs and schedules of one project in one region.

    Every method raises JobError where Google refuses, or does not answer.
    """

    def __init__(self, place: Place) -> None:
        """Logs in.

        Raises:
            JobError: nobody is logged in here.
        """
        self._place = place
        with explained("log in", place):
            options = rest_options(place)
            self._jobs = vertex.PipelineServiceClient(
                transport=PipelineServiceRestTransport(**options)
            )
            self._schedules = vertex.ScheduleServiceClient(
                transport=ScheduleServiceRestTransport(**options)
            )

    def start(self, job_id: str, job: dict[str, Any]) -> Job:
        """Starts a PipelineJob, given as its REST reference has it; one that is there already under
        this id is the one whose answer was lost.
        """
        message = _message(vertex.PipelineJob, job)
        with explained("start the pipeline", self._place):
            try:
                started = self._jobs.create_pipeline_job(
                    parent=self._place.parent,
                    pipeline_job=message,
                    pipeline_job_id=job_id,
                    retry=PATIENCE,
                    timeout=LIMIT_S,
                )
            except exceptions.Conflict:
                return self.job(f"{self._place.parent}/pipelineJobs/{job_id}")
        return _job(started)

    def job(self, name: str) -> Job:
        """What became of a job until now."""
        with explained(f"read {name}", self._place):
            return _job(self._jobs.get_pipeline_job(name=name, retry=PATIENCE, timeout=LIMIT_S))

    def keep_schedule(self, title: str, cron: str, job: dict[str, Any]) -> Schedule:
        """Has a job started at the times of a cron line (`TZ=<zone> <line>`), one at a time; the
        schedule of this title is changed where there is one.
        """
        request = {"parent": self._place.parent, "pipelineJob": job}
        kept = _message(
            vertex.Schedule,
            {
                "displayName": title,
                "cron": cron,
                "maxConcurrentRunCount": "1",
                "createPipelineJobRequest": request,
            },
        )
        with explained("keep the schedule", self._place):
            for old in self._titled(title):
                kept.name = old.name
                changed = self._schedules.update_schedule(
                    schedule=kept,
                    update_mask={"paths": ["cron", "create_pipeline_job_request"]},
                    retry=PATIENCE,
                    timeout=LIMIT_S,
                )
                return _schedule(changed)
            return _schedule(
                self._schedules.create_schedule(
                    parent=self._place.parent, schedule=kept, retry=PATIENCE, timeout=LIMIT_S
                )
            )

    def end_schedule(self, title: str) -> bool:
        """Deletes the schedules of a title; whether there was one. Jobs under way go on."""
        with explained("end the schedule", self._place):
            found = self._titled(title)
            for each in found:
                self._schedules.delete_schedule(name=each.name, retry=PATIENCE, timeout=LIMIT_S)
        return bool(found)

    def _titled(self, title: str) -> list[Any]:
        request = {"parent": self._place.parent, "filter": f'display_name="{title}"'}
        pages = self._schedules.list_schedules(request, retry=PATIENCE, timeout=LIMIT_S)
        return [each for each in pages if each.display_name == title]


def _message(kind: Any, content: dict[str, Any]) -> Any:
    from google.protobuf import json_format

    return kind(json_format.ParseDict(content, kind.pb(kind())))


def _job(found: Any) -> Job:
    steps = {}
    for task in found.job_detail.task_details:
        outputs = {
            key: dict(each.artifacts[0].metadata or {})
            for key, each in task.outputs.items()
            if each.artifacts
        }
        steps[task.task_name] = Step(task.state.name, one_line(task.error.message), outputs)
    state = found.state.name.removeprefix("PIPELINE_STATE_")
    return Job(found.name, state, one_line(found.error.message), steps)


def _schedule(found: Any) -> Schedule:
    next_run = found.next_run_time
    return Schedule(found.name, f"{next_run:%Y-%m-%d %H:%M}" if next_run else None)
