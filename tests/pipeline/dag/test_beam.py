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
    ingest_pipeline_args,
)
from schemas.errors import WorkflowError
from schemas.workflow.run import Beam


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
        "experiments": ["a", "b"],
        "use_public_ips": False,
    }


def test_an_option_beam_does_not_know_is_refused() -> None:
    with pytest.raises(WorkflowError, match=r"run.beam.options.projct: .* 'project'"):
        beam_pipeline_args(Beam(runner="DataflowRunner", options={"projct": "p"}))


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
