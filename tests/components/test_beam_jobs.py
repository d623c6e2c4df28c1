"""What a runner that is somebody else's refuses, loses or does not answer is said in words."""

import gc
import itertools
import types
import warnings
from collections.abc import Iterator

import apache_beam as beam
import pytest
from apache_beam.internal.gcp import auth
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.dataflow import dataflow_runner
from apitools.base.py import http_wrapper
from dataflow_stub import Dataflow, dataflow
from emulators import Emulators

from components.beam_jobs import Job
from components.storage.trouble import ForbiddenError
from schemas.errors import AuricleError, DataError, InputError, JobError

# Google's client leaves its connections open.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
NOWHERE = "127.0.0.1:9"  # where nothing listens


@pytest.fixture(autouse=True, scope="module")
def _closed() -> Iterator[None]:
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def stub() -> Iterator[Dataflow]:
    with dataflow() as running:
        yield running


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds for which clients of Google waited, which do not pass."""
    waited: list[float] = []
    stopped = types.SimpleNamespace(sleep=waited.append)
    for module in (http_wrapper, dataflow_runner):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(**vars(module.time)))
        monkeypatch.setattr(module.time, "sleep", stopped.sleep)
    monkeypatch.setattr(auth._Credentials, "_credentials_init", True)  # anonymous at once
    return waited


@pytest.fixture
def arguments(stub: Dataflow, stores: Emulators, waits: list[float]) -> list[str]:
    """Of a job on Dataflow's stub."""
    return [
        "--runner=DataflowRunner",
        "--project=auricle-test",
        "--region=us-central1",
        f"--temp_location={stores.bucket('gs')}/temp",
        f"--dataflow_endpoint={stub.url}",
        "--no_auth",
        "--sdk_container_image=registry/auricle-beam:1",
        "--experiments=disable_logging_submission_environment",
    ]


def run(arguments: list[str]) -> str:
    """What is said of a job that does next to nothing."""
    with pytest.raises(JobError) as raised, Job(options=PipelineOptions(arguments)) as pipeline:
        _ = pipeline | beam.Create([1])
    assert raised.value.exit_code == 2
    return str(raised.value)


@pytest.mark.parametrize(
    ("status", "said", "cure"),
    [
        (401, "who are you", "gcloud auth"),
        (403, "a@p may not dataflow.jobs.create", "right"),
        (404, "no such project", "region"),
        (400, "The image registry/auricle-beam:1 cannot be pulled", ""),
    ],
)
def test_a_refusal_has_the_reason_and_a_cure(
    stub: Dataflow, arguments: list[str], status: int, said: str, cure: str
) -> None:
    stub.refusal = status, said
    words = run(arguments)
    assert f"DataflowRunner refused the job: {status} {said}" in words
    assert cure in words
    assert stub.url not in words
    assert len(stub.paths) == 1


def test_a_quota_is_asked_for_again_with_growing_waits(
    stub: Dataflow, arguments: list[str], waits: list[float]
) -> None:
    stub.refusal = 429, "Quota exceeded: 25 jobs"
    words = run(arguments)
    assert "429 Quota exceeded: 25 jobs; wait" in words
    assert "max_num_workers" in words
    assert len(stub.paths) == len(waits) + 1 == 5
    assert all(later > sooner for sooner, later in itertools.pairwise(waits))


def test_a_quota_that_is_free_again_costs_a_wait(
    stub: Dataflow, arguments: list[str], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.refusal = 429, "Quota exceeded: 25 jobs"
    monkeypatch.setattr(http_wrapper.time, "sleep", lambda _: setattr(stub, "refusal", None))
    with Job(options=PipelineOptions(arguments)) as pipeline:
        _ = pipeline | beam.Create([1])
    assert len(stub.jobs) == 1


@pytest.mark.parametrize(
    ("state", "messages", "expected"),
    [
        ("FAILED", ["Failed to pull image registry/auricle-beam:1"], "image registry/auricle"),
        ("FAILED", ["Workers were pre-empted 4 times", "The job failed"], "The job failed"),
        ("CANCELLED", [], "does not say why"),
    ],
)
def test_a_job_that_fails_there_says_what_dataflow_says(
    stub: Dataflow, arguments: list[str], state: str, messages: list[str], expected: str
) -> None:
    stub.ends, stub.messages = f"JOB_STATE_{state}", messages
    words = run(arguments)
    assert f"DataflowRunner could not finish the job ({state})" in words
    assert expected in words


def test_an_error_of_ours_on_a_worker_there_is_ours_here(
    stub: Dataflow, arguments: list[str]
) -> None:
    stub.ends = "JOB_STATE_FAILED"
    stub.messages = ["Traceback\nschemas.errors.DataError: a.wav changed [while running 'Write']"]
    with (
        pytest.raises(DataError, match=r"^a\.wav changed$"),
        Job(options=PipelineOptions(arguments)) as pipeline,
    ):
        _ = pipeline | beam.Create([1])


def test_a_fault_of_ours_on_a_worker_keeps_its_traceback(
    stub: Dataflow, arguments: list[str]
) -> None:
    stub.ends = "JOB_STATE_FAILED"
    stub.messages = ['File "/x/components/audio/mel.py", line 7, in f\nTypeError: none']
    with (
        pytest.raises(Exception, match=r"mel\.py") as raised,
        Job(options=PipelineOptions(arguments)) as pipeline,
    ):
        _ = pipeline | beam.Create([1])
    assert not isinstance(raised.value, AuricleError)


def test_a_bucket_that_is_not_there_is_said_before_anything_is_sent(
    stub: Dataflow, arguments: list[str]
) -> None:
    words = run([*arguments, "--staging_location=gs://no-bucket-of-auricle/staging"])
    assert "run.beam.options.staging_location" in words
    assert "no bucket gs://no-bucket-of-auricle" in words
    assert stub.paths == []


def test_nobody_without_credentials_is_sent_to_a_browser(
    stub: Dataflow, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from components.storage import gcs, location

    monkeypatch.setattr(location, "_made", {})  # no client that knows the emulator
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setattr(gcs, "_METADATA_SERVER", ("127.0.0.1", 9))
    assert "application-default login" in run(arguments)
    assert stub.paths == []


def test_a_job_service_that_does_not_answer_is_named() -> None:
    endpoint = [f"--job_endpoint={NOWHERE}", "--environment_type=LOOPBACK"]
    words = run(["--runner=PortableRunner", *endpoint, "--job_server_timeout=1"])
    assert f"PortableRunner does not answer at {NOWHERE}" in words


def refuse(_: int) -> None:
    raise ForbiddenError(13, "these credentials may not do that here", "gs://bucket/a")


def test_what_a_store_refuses_a_worker_is_said() -> None:
    with (
        pytest.raises(InputError, match=r"may not do that here: 'gs://bucket/a'$"),
        Job(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline,
    ):
        _ = pipeline | beam.Create([1]) | beam.Map(refuse)
