"""Ingest on Beam's portable path: a job service, workers on two hosts with nothing but an
installation and the stores, and what clusters do to workers. All gives the bytes that one process
gives here.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import emulators
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from emulators import Emulators
from installed import install
from waiting import wait_until
from worker_hosts import Cluster, cluster

from components.beam_jobs import Job
from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from components.storage.location import Location, location_of
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data, Split

pytestmark = pytest.mark.e2e
AUDIO = Audio(sample_rate=8000, clip_s=0.5)
HERE = ["--runner=FnApiRunner"]
DATA = Data(manifests="m", split=Split(eval_speakers=["bob"], test_speakers=["cyd"]))


@pytest.fixture(scope="module")
def running(
    running_stores: Emulators, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("job_service")
    environment = {
        name: value.replace("127.0.0.1", "{host}")
        for name, value in running_stores.environment.items()
    }
    with (
        tempfile.TemporaryDirectory(prefix="installed-") as installed,
        cluster(
            folder, install(Path(installed)), tmp_path_factory.getbasetemp(), environment
        ) as both,
    ):
        yield both


@pytest.fixture(scope="module")
def listed(
    running_stores: Emulators, write_recordings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Data]:
    """Recordings on gs://."""
    folder = tmp_path_factory.mktemp("recordings")
    write_recordings(folder)
    with pytest.MonkeyPatch.context() as patch:
        emulators.connect(patch)
        bucket = running_stores.bucket("gs")
        for name, file in location_of(folder).files():
            (location_of(bucket) / name).put(file.read())
        yield DATA.model_copy(update={"manifests": f"{bucket}/manifest.jsonl"})


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.example_gen.index_writer._FEWEST_ROWS_IN_SHARD", 4)


@pytest.fixture
def out(stores: Emulators) -> Location:
    """Where the hosts write, on s3://."""
    return location_of(stores.bucket("s3")) / "run"


def ingest(data: Data, out: Location, arguments: list[str]) -> dict[str, bytes]:
    """The files but the index and the kept shards, by name."""
    ref = write_index(list_utterances(data, Path()), data, out / "index")
    folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
    with Job(options=PipelineOptions(arguments)) as pipeline:
        _ = pipeline | IngestUtterances(Places(ref.uri, *folders), AUDIO)
    return {
        name: file.read()
        for name, file in out.files()
        if name.partition("/")[0] not in ("index", "shards")
    }


@pytest.fixture(scope="module")
def expected(listed: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.example_gen.index_writer._FEWEST_ROWS_IN_SHARD", 4)
        return ingest(listed, location_of(tmp_path_factory.mktemp("here")), HERE)


def test_two_hosts_write_what_one_process_writes(
    listed: Data, out: Location, running: Cluster, expected: dict[str, bytes]
) -> None:
    assert ingest(listed, out, running.arguments) == expected
    assert len(expected) > 8
    assert all("Starting worker" in host.log() for host in running.hosts)
    assert running.retried() == 0


@pytest.mark.parametrize("fate", ["killed", "slow"])
def test_a_worker_that_is_lost_in_the_middle_changes_nothing(
    listed: Data,
    out: Location,
    running: Cluster,
    expected: dict[str, bytes],
    stores: Emulators,
    fate: str,
) -> None:
    """The first to read one of the recordings stands still there, and is killed or given up."""
    retried = running.retried()
    bucket = str(listed.manifests).removesuffix("/manifest.jsonl")
    with ThreadPoolExecutor() as pool:
        stores.refuse(bucket, 503, "backendError", "later", name="no/ada-1.wav")
        done = pool.submit(ingest, listed, out, running.arguments)
        wait_until(lambda: list((out / "examples").files()) and len(running.busy()) == 1)
        [lost] = running.busy()
        os.kill(lost, signal.SIGKILL if fate == "killed" else signal.SIGSTOP)
        if fate == "slow":
            running.give_up()
        stores.refuse_nothing()
        assert done.result() == expected
    assert running.retried() == retried + 1
    if fate == "slow":  # what it writes when all is over is the same, too
        over = stores.requests(str(out).removesuffix("/run"))["PUT"]
        os.kill(lost, signal.SIGCONT)
        wait_until(lambda: stores.requests(str(out).removesuffix("/run"))["PUT"] > over)
        assert {name: (out / name).read() for name in expected} == expected
