"""Scores test clips and background with the exported models; TFMA measures the test clips."""

import json
from collections.abc import Sequence
from typing import TypedDict

from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components.artifacts import (
    BASELINE_PROPERTY,
    Artifacts,
    judging_splits,
    model_at,
    saved_model_here,
    saved_model_uri,
)
from components.beam_jobs import RunsJobs
from components.beam_places import written_by_beam
from components.earlier import blessed_before
from components.evaluation.score_files import SCORES_FILE
from components.evaluation.tfma_evaluation import evaluate
from components.evaluator.clip_scoring import AskedModels, Heard, score_files
from components.examples import split_files
from components.storage.location import location_of
from components.tasks import parts
from components.versions.model_card import read_card
from schemas.reports.model_card import ModelCard
from schemas.workflow.conditions import Conditions


class Parameters(TypedDict, total=False):
    """What the step is told; without a background's URI there is none to listen to. `conditions`
    is JSON of `schemas.workflow.conditions`, and `earlier` says where to look for a baseline that
    no resolver found.
    """

    task: str
    background_uri: str
    noise_uri: str
    conditions: str
    earlier: str


class Executor(RunsJobs, base_beam_executor.BaseBeamExecutor):
    """Examples, models and background in; tables of scores and TFMA's files out."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Parameters
    ) -> None:
        files = split_files(judging_splits(input_dict["examples"]))
        models = [*input_dict["model"], *input_dict.get("baseline_model", [])]
        models += _looked_up(models, output_dict["scores"], exec_properties.get("earlier"))
        saved_models = [saved_model_uri(model) for model in models]
        task = exec_properties["task"]
        folder = artifact_utils.get_single_uri(output_dict["scores"])
        asked = choose_models(saved_models, task)
        written = exec_properties.get("conditions")
        conditions = Conditions.model_validate_json(written) if written else Conditions(names=[])
        noise = exec_properties.get("noise_uri", "")
        heard = Heard(tuple(conditions.names), conditions.clips, noise)
        with self._make_beam_pipeline() as pipeline:
            score_files(pipeline, [str(file) for file in files], asked, folder, heard)
        if uri := exec_properties.get("background_uri"):
            draft = location_of(folder).local_draft()
            with saved_model_here(models[0]) as saved_model, draft as place_here:
                parts.recordings(task).score_recordings_of(
                    location_of(uri).read(), saved_model, read_card(saved_model), place_here
                )
        evaluation = artifact_utils.get_single_uri(output_dict["evaluation"])
        place = written_by_beam(evaluation, self._beam_pipeline_args)
        with place as path, self._make_beam_pipeline() as pipeline:
            evaluate(location_of(folder) / SCORES_FILE, path, pipeline)


def _looked_up(
    models: list[Artifact], scores: list[Artifact], earlier: str | None
) -> list[Artifact]:
    """The model that was blessed before the first of `models`, and which `scores` then names for
    the steps that follow; nothing where there is none, or nowhere to look.
    """
    if not earlier:
        return []
    uri = blessed_before(json.loads(earlier), candidate=models[0].uri)
    if not uri:
        return []
    for table in scores:
        table.set_string_custom_property(BASELINE_PROPERTY, uri)
    return [model_at(uri)]


def choose_models(saved_models: Sequence[str], task: str) -> AskedModels:
    """The candidate, of `task`, and the baseline behind it where it can be asked the same clips."""
    cards = [read_card(path) for path in saved_models]
    answers = parts.scoring(task).ANSWERS
    incomparable = _incomparable(cards[0], cards[1], answers) if len(cards) > 1 else ""
    chosen = saved_models[:1] if incomparable else saved_models
    return AskedModels(tuple(chosen), task, incomparable)


def _incomparable(candidate: ModelCard, baseline: ModelCard, answers: str) -> str:
    """Why the baseline cannot be asked the candidate's clips, or nothing."""
    if answers != parts.scoring(baseline.task).ANSWERS:
        return f"its task is {baseline.task}, and this model's is {candidate.task}"
    ours, theirs = candidate.audio.model_dump(), baseline.audio.model_dump()
    if keys := [key for key in ours if ours[key] != theirs[key]]:
        changes = ", ".join(f"audio.{key} was {theirs[key]} and is {ours[key]}" for key in keys)
        return f"it takes other audio: {changes}"
    if candidate.folds and not baseline.folds:
        return "it may have been trained on the clips that test now, since it had no folds"
    return ""
