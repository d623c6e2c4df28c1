"""The wiring: what is in the graph only where the workflow asks for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tfx.dsl.components.common.resolver import Resolver
from tfx.orchestration.pipeline import Pipeline

from pipeline.dag.build import RunLocations, build_pipeline
from schemas.workflow.training import Earlier
from schemas.workflow.workflow import Workflow


def build(folder: Path, start: str, earlier: Earlier | None = None) -> Pipeline:
    workflow = Workflow.model_validate(
        {
            "name": "t",
            "data": {"generated": {"words": ["a", "b"]}},
            "audio": {"sample_rate": 8000},
            "train": {"start": start},
            "gate": {"confidence": 0.9},
        }
    )
    places = {
        name: str(folder)
        for name in (
            *("root", "serving", "ledger", "judgements", "checkpoints", "timings", "trainer_code"),
            *("index_uri", "index_digest", "background_uri", "background_digest"),
            *("noise_uri", "noise_digest", "shards", "schema_uri"),
        )
    }
    locations = RunLocations(
        **places,
        metadata=None,
        beam_args=[],
        ingest_args=[],
        earlier=earlier,
        passed="passed.jsonl" if earlier else None,
    )
    return build_pipeline(workflow, locations)


def node(pipeline: Pipeline, name: str) -> Any:
    return next((each for each in pipeline.components if each.id == name), None)


def test_a_training_from_scratch_looks_for_no_champion(tmp_path: Path) -> None:
    pipeline = build(tmp_path, "scratch")
    assert node(pipeline, "Champion") is None
    trainer = node(pipeline, "Trainer")
    assert "base_model" not in trainer.inputs
    assert "confidence" not in json.loads(trainer.exec_properties["custom_config"])


@pytest.mark.parametrize(("start", "confidence"), [("champion", None), ("both", 0.9)])
def test_a_warm_start_gets_the_champion_before_these_examples(
    tmp_path: Path, start: str, confidence: float | None
) -> None:
    pipeline = build(tmp_path, start)
    champion, trainer = node(pipeline, "Champion"), node(pipeline, "Trainer")
    assert trainer.inputs["base_model"] == champion.outputs["model"]
    examples = node(pipeline, "AudioExampleGen").outputs["examples"]
    assert champion.raw_inputs["candidate"] == examples
    config = json.loads(trainer.exec_properties["custom_config"])
    assert config.get("confidence") == confidence


def test_without_a_store_of_ours_the_steps_look_themselves(tmp_path: Path) -> None:
    earlier: Earlier = {"judgements": "j.jsonl", "ledger": "versions.json"}
    pipeline = build(tmp_path, "champion", earlier)
    resolvers = [each.id for each in pipeline.components if isinstance(each, Resolver)]
    assert resolvers == []
    config = json.loads(node(pipeline, "Trainer").exec_properties["custom_config"])
    assert config["earlier"] == earlier
    assert json.loads(node(pipeline, "Evaluator").exec_properties["earlier"]) == earlier
    assert node(pipeline, "DataGate").exec_properties["passed"] == "passed.jsonl"
