"""The whole graph for Vertex AI, run as it arrived there, container by container."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import emulators
import pytest
from e2e.on_vertex import VERTEX, tasks
from e2e.tiny import TINY, write_recordings, write_workflow
from vertex_api import VertexApi, listening
from vertex_jobs_api import Json, VertexJobsApi
from vertex_local import LocalVertex, Machine, StepError, unpack_wheel

from components.storage.location import location_of
from components.versions.manifest import verify
from pipeline.runners.vertex_submit import submit
from pipeline.workspace.project import Project, read_project

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # minutes where all cores are busy

TRAINER = {"machine": "n1-standard-8", "replicas": 2}
NOISE = (
    "oneDNN",
    "cuda",
    "TensorRT",
    "cpu_feature_guard",
    "Warning",
    "artifact_type",
    "renamed to",
)


class Cloud:
    """Vertex AI on this machine: jobs, trainings, registry, and a bucket."""

    def __init__(self, bucket: str, vertex: LocalVertex) -> None:
        self.bucket, self.vertex, self.url = bucket, vertex, ""
        self.jobs, self.registry = VertexJobsApi(), VertexApi()
        self.jobs.on_training = self._train

    def answer(self, method: str, path: str, query: Json, body: Json | None) -> tuple[int, Json]:
        api = self.registry if "/models" in path else self.jobs
        return api.answer(method, path, query, body)

    def run(self, project: Project) -> Json:
        """Submits, and runs what arrived; returns it."""
        name = submit(project).job.rpartition("/")[2]
        job = self.jobs.jobs[name]
        self.vertex.run(job, name)
        return job

    def project(self, folder: Path, **blocks: object) -> Project:
        vertex = VERTEX["vertex"] | {"endpoint": self.url, "trainer": TRAINER}
        run = VERTEX | {"directory": f"{self.bucket}/run", "vertex": vertex}
        data = TINY["data"] | {"manifests": f"{self.bucket}/recordings/manifest.jsonl"}
        changed = {"data": data, "run": run, "registry": {}} | blocks
        return read_project(write_workflow(folder, **changed))

    def _train(self, job: Json) -> None:
        threading.Thread(target=self.vertex.train, args=[job]).start()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        store = emulators.connect(patch)
        image = unpack_wheel(tmp_path_factory.mktemp("image"))
        machine = Machine(image, store.environment)
        vertex = LocalVertex(machine, tmp_path_factory.mktemp("containers"))
        found = Cloud(store.bucket("gs"), vertex)
        with listening(found) as found.url:
            yield found
        machine.stop()


def test_the_whole_graph_runs_container_by_container(cloud: Cloud, tmp_path: Path) -> None:
    write_recordings(tmp_path / "recordings")
    for file in (tmp_path / "recordings").iterdir():
        location_of(f"{cloud.bucket}/recordings/{file.name}").put(file.read_bytes())
    shutil.rmtree(tmp_path / "recordings")
    vertex, serving = cloud.vertex, f"{cloud.bucket}/run/serving"
    job = cloud.run(cloud.project(tmp_path))
    assert sorted(vertex.ran) == sorted(tasks(job))
    pushed = vertex.artifact("Pusher", "pushed_model")["metadata"]
    assert (pushed["pushed"], pushed["pushed_version"]) == (1, "1")
    assert verify(location_of(f"{serving}/1")).name == TINY["name"]
    [versions] = cloud.registry.models.values()
    assert [each["artifactUri"] for each in versions] == [f"{serving}/1"]
    report = vertex.artifact("Report", "report")["uri"]
    assert b"<title>" in location_of(f"{report}/report.html").read()
    [training] = cloud.jobs.trainings.values()
    assert training["state"] == "JOB_STATE_SUCCEEDED"
    for step, log in vertex.logs.items():
        assert not any(word in log for word in NOISE), (step, log)


def test_what_has_not_changed_is_reused(cloud: Cloud, tmp_path: Path) -> None:
    assert cloud.vertex.finished  # by the test before
    cloud.run(cloud.project(tmp_path))
    assert cloud.vertex.ran == []
    cloud.run(cloud.project(tmp_path, gate={"confidence": 0.9}))
    assert set(cloud.vertex.ran) == {"ModelGate", "ServingCheck", "Pusher", "Report"}
    assert len(cloud.jobs.trainings) == 1


def test_a_container_that_dies_leaves_its_last_words(cloud: Cloud, tmp_path: Path) -> None:
    job = cloud.run(cloud.project(tmp_path))
    gone = job["runtimeConfig"]["gcsOutputDirectory"] + "/index"
    location_of(gone).delete_all()
    cloud.vertex.cached.clear()
    with pytest.raises(StepError) as died:
        cloud.vertex.run(job, "job-2")
    assert died.value.task == "AudioExampleGen"
    assert gone in died.value.words
