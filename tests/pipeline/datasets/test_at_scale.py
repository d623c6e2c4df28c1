"""What a workflow would take with more hours of recordings."""

import json
from pathlib import Path

import pytest
import yaml
from e2e import tiny
from typer.testing import CliRunner

from pipeline import cli
from pipeline.datasets import prices
from pipeline.datasets.at_scale import AtScale, extrapolate, parse_hours
from pipeline.datasets.sample_run import Sample
from schemas.errors import InputError
from schemas.reports.ingest import SplitCounts
from schemas.workflow.workflow import Workflow

SAMPLE = Sample(
    rows=100,
    clips=90,
    clip_s=1.0,
    source_bytes_per_s=32_000,
    rows_per_file=2,
    index_bytes=300,
    example_bytes=33_000,
    list_s=1e-5,
    ingest_start_s=20.0,
    ingest_cpu_s=1e-3,
    train_s=2e-3,
    cores=2,
)
SPLITS = {
    name: SplitCounts(clips=clips, hours=clips / 3600, labels={}, speakers={}, speakers_by_label={})
    for name, clips in (("train", 80), ("eval", 10), ("test", 10))
}


def extrapolated(hours: float) -> AtScale:
    workflow = Workflow.model_validate(
        {"name": "words", "data": {"manifests": "a.jsonl"}, "train": {"epochs": 10}}
    )
    return extrapolate(SAMPLE, workflow, SPLITS, hours)


def test_amounts_are_those_of_the_sample_by_the_hours() -> None:
    made = extrapolated(1000)
    assert (made.clips, made.files) == (3_240_000, 1_800_000)
    assert made.source_bytes == 115_200_000_000
    assert made.example_bytes == 2 * 3_240_000 * 33_000
    assert made.ingest_worker_hours == pytest.approx(1.0)
    assert made.training_hours == pytest.approx(10 * 0.8 * 3_240_000 * 2e-3 / 3600)
    # 4,096 clips a shard, each split by itself
    assert made.shards == 633 + 80 + 80


def test_more_workers_are_faster_and_less_efficient_and_shards_are_the_bound() -> None:
    walls = extrapolated(1000).walls
    hours = [wall.hours for wall in walls]
    assert hours == sorted(hours, reverse=True)
    efficiencies = [wall.efficiency for wall in walls]
    assert efficiencies == sorted(efficiencies, reverse=True)
    assert all(0 < wall.efficiency < 1 for wall in walls)
    few = extrapolated(0.5)
    assert few.shards < 1000
    # One shard's work is left, and what one process does alone.
    alone_s = 1800 * SAMPLE.list_s + SAMPLE.ingest_start_s + few.assumed.worker_start_s
    assert few.walls[-1].hours * 3600 == pytest.approx(alone_s + 1800e-3 / few.shards)


def test_the_bill_is_amounts_by_prices() -> None:
    made = extrapolated(1000)
    ingest = next(cost for cost in made.costs if cost.price == prices.DATAFLOW_VCPU)
    assert ingest.dollars == pytest.approx(1.0 * 0.056)
    assert made.dollars == pytest.approx(
        sum(cost.amount * cost.price.dollars for cost in made.costs)
    )
    assert made.prices_as_of == prices.AS_OF


@pytest.mark.parametrize(
    ("text", "hours"), [("1000h", 1000), ("1,000h", 1000), ("0.5h", 0.5), ("12 hours", 12)]
)
def test_hours_as_a_person_writes_them(text: str, hours: float) -> None:
    assert parse_hours(text) == hours


@pytest.mark.parametrize(
    "text", ["1000", "-1h", "0h", "nanh", "infh", "1e3h", "h", "", "9999999999h"]
)
def test_other_scales_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--scale"):
        parse_hours(text)


def test_the_command_measures_a_sample_and_leaves_nothing(tmp_path: Path) -> None:
    tiny.write_recordings(tmp_path / "recordings")
    before = sorted(tmp_path.rglob("*"))
    workflow = tiny.write_workflow(tmp_path)
    done = CliRunner().invoke(cli.app, ["plan", str(workflow), "--scale", "10h", "--json"])
    assert done.exit_code == 0, done.output
    plan = json.loads(done.stdout)
    made = AtScale.model_validate(plan["at_scale"])
    sample = made.measured
    assert (sample.rows, sample.clips, sample.rows_per_file) == (72, 72, 1)
    assert sample.clip_s == pytest.approx(0.4)
    assert sample.source_bytes_per_s == pytest.approx(2 * tiny.RATE, rel=0.02)
    assert sample.example_bytes > 2 * 0.5 * tiny.RATE
    assert min(sample.ingest_cpu_s, sample.train_s, sample.list_s) > 0
    assert made.clips == 90_000
    assert sorted(set(tmp_path.rglob("*")) - {workflow}) == before
    assert yaml.safe_load(workflow.read_text())["name"] == plan["name"]
