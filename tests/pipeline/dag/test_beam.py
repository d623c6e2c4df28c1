"""Beam's arguments are checked before anything starts, and the local runner is the one we mean."""

import tempfile
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor

from pipeline.dag.beam import (
    CLIPS_THAT_EARN_A_PROCESS,
    beam_pipeline_args,
    check_reach,
    ingest_pipeline_args,
)
from schemas.errors import DataError, WorkflowError
from schemas.utterance import Utterance
from schemas.workflow.run import Beam, BeamRunner, Value


class _Step(BaseBeamExecutor):
    def Do(self, *_: object) -> None:  # noqa: N802 (TFX's name)
        raise NotImplementedError


def test_direct_runner_is_the_in_process_one() -> None:
    pipeline = beam.Pipeline(options=PipelineOptions(beam_pipeline_args(Beam())))
    assert isinstance(pipeline.runner, FnApiRunner)


def test_a_step_on_this_machine_packs_nothing_for_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    context = BaseBeamExecutor.Context(beam_pipeline_args=beam_pipeline_args(Beam()))
    with _Step(context)._make_beam_pipeline() as pipeline:
        assert_that(pipeline | beam.Create([1, 2]) | beam.Map(lambda n: 2 * n), equal_to([2, 4]))
    assert list(tmp_path.iterdir()) == []


def test_options_become_flags_beam_understands() -> None:
    block = Beam(
        runner="DataflowRunner",
        options={
            "project": "p",
            "region": "europe-west4",
            "max_num_workers": 20,
            "experiments": ["a", "b"],
            "use_public_ips": False,
        },
    )
    options = PipelineOptions(beam_pipeline_args(block)).get_all_options(drop_default=True)
    assert options == {
        "runner": "DataflowRunner",
        "project": "p",
        "region": "europe-west4",
        "max_num_workers": 20,
        "experiments": ["disable_logging_submission_environment", "a", "b"],
        "use_public_ips": False,
    }


@pytest.mark.parametrize(
    ("runner", "options", "said"),
    [
        ("DataflowRunner", {"projct": "p"}, "options.projct: .* of Apache Beam; .* 'project'"),
        ("DataflowRunner", {"flink_master": "f:1"}, "flink_master: the DataflowRunner does not"),
        ("DataflowRunner", {"max_num_workers": "many"}, "max_num_workers: .*'many'"),
        ("DataflowRunner", {"max_num_workers": 1.5}, "max_num_workers: .*'1.5'"),
        ("DataflowRunner", {"max_num_workers": True}, "max_num_workers: got True, expected a"),
        ("DataflowRunner", {"use_public_ips": "no"}, "use_public_ips: got 'no', expected true or"),
        ("DataflowRunner", {"autoscaling_algorithm": "SOME"}, "'SOME' .*THROUGHPUT_BASED"),
        ("DataflowRunner", {"machine_type": ["a", "b"]}, "machine_type: got a list"),
        ("DirectRunner", {"num_workers": 2}, "num_workers: .* 'direct_num_workers'"),
        ("FlinkRunner", {"paralelism": 2}, "paralelism: .* 'parallelism'"),
        ("FlinkRunner", {"sdk_container_image": "a:1"}, "the FlinkRunner does not read it"),
        ("SparkRunner", {"parallelism": 2}, "the SparkRunner does not read it"),
        ("PortableRunner", {"ingest_processes": 2}, "not a pipeline option of Apache Beam"),
    ],
)
def test_an_option_that_is_not_read_or_no_value_of_it_is_refused(
    runner: BeamRunner, options: dict[str, Value], said: str
) -> None:
    with pytest.raises(WorkflowError, match=said):
        beam_pipeline_args(Beam(runner=runner, options=options))


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        ("DirectRunner", {"direct_num_workers": 2, "direct_running_mode": "multi_threading"}),
        ("FlinkRunner", {"flink_master": "f:8081", "parallelism": 4, "environment_config": "a"}),
        ("SparkRunner", {"spark_master_url": "local[2]", "spark_rest_url": "http://s:6066"}),
        ("PortableRunner", {"job_endpoint": "j:8099", "flink_master": "f:1"}),
        ("PortableRunner", {"project": "p", "s3_region_name": "eu"}),
    ],
)
def test_what_a_runner_reads_is_handed_on_as_beam_reads_it(
    runner: BeamRunner, options: dict[str, Value]
) -> None:
    arguments = beam_pipeline_args(Beam(runner=runner, options=options))
    read = PipelineOptions(arguments).get_all_options(drop_default=True)
    assert {name: read[name] for name in options} == options


ELSEWHERE = {"job_endpoint": "jobs:8099", "environment_type": "EXTERNAL"}


@pytest.mark.parametrize(
    ("runner", "options", "is_seen"),
    [
        ("DirectRunner", {}, True),
        ("DataflowRunner", {}, False),
        ("FlinkRunner", {"flink_master": "[local]", "environment_type": "LOOPBACK"}, True),
        ("FlinkRunner", {"flink_master": "[local]", "environment_config": "image"}, False),
        ("FlinkRunner", {"flink_master": "flink:8081", "environment_type": "PROCESS"}, False),
        ("SparkRunner", {"spark_master_url": "local[4]", "environment_type": "PROCESS"}, True),
        ("PortableRunner", ELSEWHERE | {"environment_config": "localhost:50000"}, False),
        ("PortableRunner", ELSEWHERE | {"job_endpoint": "localhost:8099"}, False),
        (
            "PortableRunner",
            ELSEWHERE | {"job_endpoint": "localhost:1", "environment_config": "127.0.0.1:2"},
            True,
        ),
    ],
)
def test_recordings_on_this_disk_are_for_workers_that_see_it(
    runner: BeamRunner, options: dict[str, Value], is_seen: bool
) -> None:
    beam_block = Beam(runner=runner, options=options)
    check_reach(beam_block, [make_row("gs://bucket/a.wav"), make_row("")])
    if is_seen:
        check_reach(beam_block, [make_row("/data/a.wav")])
    else:
        with pytest.raises(DataError, match=f"{runner} .* /data/a.wav and 1 more lie"):
            check_reach(beam_block, [make_row("/data/b.wav"), make_row("/data/a.wav")])


def make_row(path: str) -> Utterance:
    return Utterance(id="a", uri="a", path=path, target="yes", speaker="ann")


def test_processes_have_to_be_earned() -> None:
    few, many = CLIPS_THAT_EARN_A_PROCESS - 1, CLIPS_THAT_EARN_A_PROCESS
    one, two = ["--ingest_processes=1"], ["--ingest_processes=2"]
    assert ingest_pipeline_args(Beam(), few, cores=2) == one
    assert ingest_pipeline_args(Beam(), many, cores=2) == two
    assert ingest_pipeline_args(Beam(), 100 * many, cores=2) == two
    assert ingest_pipeline_args(Beam(), many, cores=1) == one
    assert ingest_pipeline_args(Beam(workers=1), many, cores=2) == one
    assert ingest_pipeline_args(Beam(workers=2), few, cores=8) == two
    assert ingest_pipeline_args(Beam(runner="FlinkRunner"), many, cores=2) == one
