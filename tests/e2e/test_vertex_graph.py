"""The whole graph for Vertex AI, run from what was compiled, container by container."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.on_vertex import ROOT, compiled
from e2e.tiny import TINY
from vertex_local import LocalVertex, Machine, StepError, unpack_wheel, with_root

from components.versions.manifest import verify

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # minutes where all cores are busy


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    found = Machine(unpack_wheel(tmp_path_factory.mktemp("image")))
    yield found
    found.stop()


def test_the_whole_graph_runs_container_by_container(tmp_path: Path, machine: Machine) -> None:
    job = with_root(compiled(tmp_path), ROOT, str(tmp_path / "bucket"))
    (tmp_path / "pipeline-files").rename(tmp_path / "bucket")
    vertex = LocalVertex(machine, tmp_path / "containers")
    vertex.run(job)
    pushed = vertex.artifact("Pusher", "pushed_model")["metadata"]
    assert (pushed["pushed"], pushed["pushed_version"]) == (1, "1")
    assert verify(tmp_path / "bucket" / "serving" / "1").name == TINY["name"]
    report = vertex.artifact("Report", "report")["uri"]
    assert "<title>" in Path(report, "report.html").read_text()


def test_a_container_that_dies_leaves_its_last_words(tmp_path: Path, machine: Machine) -> None:
    job = with_root(compiled(tmp_path), ROOT, str(tmp_path / "bucket"))
    vertex = LocalVertex(machine, tmp_path / "containers")
    with pytest.raises(StepError) as died:  # nobody copied the index to the bucket
        vertex.run(job)
    assert died.value.task in ("AudioExampleGen", "ImportSchemaGen")
    assert "bucket" in died.value.words
    assert vertex.finished == {}
