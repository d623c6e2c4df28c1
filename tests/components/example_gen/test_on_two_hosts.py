"""Ingest, statistics, evaluation and batch inference on Beam's portable path: a job service,
workers on two hosts that have an installation and the stores only, and what clusters do to workers.

All gives what one process gives here.
"""

import hashlib
import json
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import emulators
import numpy as np
import pytest
import soundfile
import tensorflow_data_validation as tfdv
from apache_beam.internal.gcp import auth
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability import portable_runner
from apache_beam.transforms import environments
from dataflow_stub import dataflow
from emulators import Emulators
from google.protobuf import text_format
from installed import ROOT, install
from scored import check_same
from served import RATE, push_answering
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import artifact_utils, standard_artifacts
from waiting import wait_until
from worker_hosts import Cluster, cluster

from components.artifacts import ClipScores
from components.beam_jobs import Job
from components.evaluation.score_files import read_scores, scores_file
from components.evaluation.scores import ClipScores as Table
from components.evaluation.tallies import Tallies
from components.evaluation.tfma_evaluation import CANDIDATE
from components.evaluation.tfma_results import read_results
from components.evaluator.executor import Executor as Evaluator
from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from components.example_gen.transforms import IngestUtterances, Places
from components.inference import rows as inference_rows
from components.statistics_gen.executor import Executor as StatisticsGen
from components.storage.location import Location, location_of
from pipeline.dag.beam import beam_pipeline_args, ingest_pipeline_args
from pipeline.inference.batch import Inference, infer_clips
from pipeline.inference.clips import ClipSource
from pipeline.inference.predict import TrainedModel, published_card
from pipeline.inference.target import Target
from schemas.workflow.audio import Audio
from schemas.workflow.data import Data, Split
from schemas.workflow.run import Beam, Value

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(600),  # minutes where all cores are busy
    pytest.mark.filterwarnings("ignore:Conversion of an array with ndim > 0"),  # TFMA
]
AUDIO = Audio(sample_rate=8000, clip_s=0.5)
HERE = ["--runner=FnApiRunner"]
CLIPS, NOWHERE = 24, Path("/nowhere")
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


def ingest(
    data: Data, out: Location, arguments: list[str], gathered_rows: int = 0
) -> dict[str, bytes]:
    """The files but the index and the kept shards, by name; the splits are certified by grouping,
    as those of large data are.
    """
    ref = write_index(list_utterances(data, Path()), data, out / "index")
    folders = [str(out / name) for name in ("examples", "rejects", "report", "shards")]
    with Job(options=PipelineOptions(arguments)) as pipeline:
        _ = pipeline | IngestUtterances(Places(ref.uri, *folders), AUDIO, gathered_rows)
    return written_files(out)


def written_files(out: Location) -> dict[str, bytes]:
    return {
        name: file.read()
        for name, file in out.files()
        if name.partition("/")[0] not in ("index", "shards")
    }


@pytest.fixture(scope="module")
def expected(listed: Data, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.example_gen.index_writer._FEWEST_ROWS_IN_SHARD", 4)
        return ingest(listed, location_of(tmp_path_factory.mktemp("here")), HERE, 10**6)


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


WORKER_IMAGE = "europe-docker.pkg.dev/auricle-test/images/auricle-beam:1"
DATAFLOW: dict[str, Value] = {
    "project": "auricle-test",
    "region": "europe-west4",
    "sdk_container_image": WORKER_IMAGE,
    "machine_type": "n2-standard-4",
    "disk_size_gb": 50,
    "num_workers": 2,
    "max_num_workers": 50,
    "autoscaling_algorithm": "THROUGHPUT_BASED",
    "service_account_email": "worker@auricle-test.iam.gserviceaccount.com",
    "subnetwork": "regions/europe-west4/subnetworks/workers",
    "use_public_ips": False,
    "labels": ["team=speech", "cost=research"],
    "no_auth": True,
}


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_what_dataflow_is_sent_is_what_ran(
    listed: Data,
    out: Location,
    running: Cluster,
    expected: dict[str, bytes],
    stores: Emulators,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The job is as described in the fixture; write that anew by hand from `sent.json`. What was
    staged is then run on the hosts, with only its environment replaced.
    """
    monkeypatch.setattr(auth._Credentials, "_credentials_init", True)  # anonymous at once
    bucket = stores.bucket("gs")
    with dataflow() as stub:
        places = {name: f"{bucket}/{name}" for name in ("temp_location", "staging_location")}
        beam = Beam(
            runner="DataflowRunner", options=DATAFLOW | places | {"dataflow_endpoint": stub.url}
        )
        arguments = beam_pipeline_args(beam) + ingest_pipeline_args(beam, clips=10**6, cores=8)
        assert ingest(listed, out, arguments) == {}
    [job] = stub.jobs
    options = job["environment"]["sdkPipelineOptions"]["options"]
    staged = location_of(options["pipelineUrl"]).read()
    assert hashlib.sha256(staged).hexdigest() == options["pipelineProtoHash"]
    written = json.dumps(description(job, staged), indent=2, sort_keys=True) + "\n"
    written = re.sub(r"<lambda at core\.py:\d+>", "lambda", written)  # a line of Beam's
    for name, stands_for in ((options["job_name"], "JOB"), (bucket[5:], "BUCKET")):
        written = re.sub(rf"{name}(\.\d+\.\d+)?", stands_for, written)
    (tmp_path / "sent.json").write_text(written)
    assert written == (ROOT / "tests" / "fixtures" / "dataflow_job.json").read_text()
    retried = running.retried()
    assert run_staged(staged, running) == beam_job_api_pb2.JobState.DONE
    assert written_files(out) == expected
    assert len(expected) > 8
    assert running.retried() == retried
    assert all("Starting worker" in host.log() for host in running.hosts)


def description(job: dict[str, Any], staged: bytes) -> dict[str, Any]:
    """What was sent of a job, but what Beam's version or the moment decide."""
    environment = job["environment"]
    options = environment["sdkPipelineOptions"]["options"]
    asked = [*DATAFLOW, "temp_location", "staging_location", "experiments", "ingest_processes"]
    pools = environment["workerPools"]
    for pool in pools:
        del pool["taskrunnerSettings"]  # the stub's address
        for image in pool["sdkHarnessContainerImages"]:
            del image["capabilities"]
    parts = beam_runner_api_pb2.Pipeline.FromString(staged).components
    steps = sorted(
        (int(name.rpartition("_")[2]), step.unique_name, step.spec.urn)
        for name, step in parts.transforms.items()
        if step.spec.urn and not step.subtransforms
    )
    return {
        "labels": job["labels"],
        "type": job["type"],
        "service_account": environment["serviceAccountEmail"],
        "temporary": environment["tempStoragePrefix"],
        "worker_pools": pools,
        "options": {name: options[name] for name in sorted(asked)},
        "environments": [
            {
                "urn": each.urn,
                "image": beam_runner_api_pb2.DockerPayload.FromString(each.payload).container_image,
                "staged_files": len(each.dependencies),
            }
            for each in parts.environments.values()
        ],
        "steps": [f"{name}: {urn}" for _, name, urn in steps],
    }


def run_staged(staged: bytes, running: Cluster) -> int:
    """The state in which the job service ended a pipeline, whose workers are those of the hosts."""
    proto = beam_runner_api_pb2.Pipeline.FromString(staged)
    there = environments.ExternalEnvironment(running.pools_endpoint).to_runner_api(None)
    for environment in proto.components.environments.values():
        environment.CopyFrom(there)
    runner = portable_runner.PortableRunner()
    job = runner.create_job_service(PipelineOptions(running.arguments))
    _, _, states = job.submit(proto)
    state: int = list(states)[-1].state
    return state


def counted(examples: Location, folder: Location, arguments: list[str]) -> dict[str, str]:
    """What StatisticsGen writes of each feature in `train`, on workers of these arguments; without
    the last digits, which the order of a sum decides.
    """
    given, made = standard_artifacts.Examples(), standard_artifacts.ExampleStatistics()
    given.uri, made.uri = str(examples), str(folder)
    given.split_names = artifact_utils.encode_split_names(["train"])
    options = tfdv.StatsOptions(feature_allowlist=["label", "speaker", "duration_s"]).to_json()
    context = StatisticsGen.Context(arguments, tmp_dir=str(folder), unique_id="1")
    StatisticsGen(context).Do(
        {"examples": [given]}, {"statistics": [made]}, {"stats_options_json": options}
    )
    content = (folder / "Split-train" / "FeatureStats.pb").read()
    [dataset] = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
    return {
        each.path.step[0]: text_format.MessageToString(
            each, float_format=".9g", double_format=".9g"
        )
        for each in dataset.features
    }


def evaluated(
    examples: Location, model: Location, folder: Location, arguments: list[str]
) -> tuple[Tallies, Table]:
    """What Evaluator writes of the test split: TFMA's counts, and the table of scores."""
    given, asked = standard_artifacts.Examples(), standard_artifacts.Model()
    given.uri, asked.uri = str(examples), str(model)
    given.split_names = artifact_utils.encode_split_names(["test"])
    evaluation, scores = standard_artifacts.ModelEvaluation(), ClipScores()
    evaluation.uri, scores.uri = str(folder / "evaluation"), str(folder / "scores")
    context = Evaluator.Context(arguments, tmp_dir=str(folder), unique_id="2")
    Evaluator(context).Do(
        {"examples": [given], "model": [asked]},
        {"evaluation": [evaluation], "scores": [scores]},
        {"task": "classify"},
    )
    return read_results(evaluation.uri, CANDIDATE), read_scores(scores_file(scores.uri))


def test_two_hosts_count_and_evaluate_as_one_process_does(
    out: Location, running: Cluster, expected: dict[str, bytes], tmp_path: Path
) -> None:
    for name, content in expected.items():
        (out / name).put(content)
    examples, here = out / "examples", location_of(tmp_path)
    counts = counted(examples, out / "statistics", running.arguments)
    assert counts == counted(examples, here / "statistics", HERE)
    pushed = push_answering(here / "serving", labels=["_unknown_", "no", "yes"])
    for name, file in pushed.files():
        (out / "model" / "Format-Serving" / name).put(file.read())
    there = evaluated(examples, out / "model", out / "evaluated", running.arguments)
    ours = evaluated(examples, out / "model", here / "evaluated", HERE)
    check_same(there[1], ours[1])
    assert there[0] == ours[0]
    assert len(ours[1]) == 6


def infer(beam: Beam, bucket: str, out: Location) -> Inference:
    folder = location_of(bucket) / "serving" / 1
    model = TrainedModel(folder, published_card(folder), version=1)
    source = ClipSource([f"{bucket}/clips/*.wav"], NOWHERE)
    return infer_clips(model, beam, source, Target.of(str(out), None, NOWHERE))


def test_two_hosts_of_which_one_is_lost_answer_as_one_process_does(
    running: Cluster, stores: Emulators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_rows, "ROWS_IN_PART", 4)
    bucket, top = stores.bucket("gs"), location_of(stores.bucket("s3"))
    push_answering(location_of(bucket) / "serving")
    for number in range(CLIPS):
        tone = np.sin(np.arange(RATE // 4 + 40 * number) * (0.1 + 0.02 * number)) / 2
        soundfile.write(tmp_path / "a.wav", tone, RATE)
        place = location_of(bucket) / "clips" / f"{number:02}.wav"
        place.put((tmp_path / "a.wav").read_bytes())
    (location_of(bucket) / "clips" / "bad.wav").put(b"no audio")
    retried = running.retried()
    infer(Beam(), bucket, top / "here")

    beam = Beam(runner="PortableRunner", options=dict(running.options))
    with ThreadPoolExecutor() as pool:
        stores.refuse(bucket, 503, "backendError", "later", name="clips/09.wav")
        done = pool.submit(infer, beam, bucket, top / "there")
        wait_until(lambda: done_parts(top / "there") and len(running.busy()) == 1)
        [lost] = running.busy()
        os.kill(lost, signal.SIGKILL)
        stores.refuse_nothing()
        found = done.result()
    assert (found.clips, found.rejects, running.retried() - retried) == (
        CLIPS,
        {"unsupported": 1},
        1,
    )
    expected = {name: file.read() for name, file in (top / "here").files()}
    assert {name: file.read() for name, file in (top / "there").files()} == expected
    assert len(expected) == 6 + 2  # rejects, and what says that all is there


def done_parts(out: Location) -> list[str]:
    """The names of the parts that are done."""
    return (out / "_work" / "done").children()[0]
