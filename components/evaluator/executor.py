"""Scores test clips and background with the exported models; TFMA measures the test clips."""

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.artifacts import Artifacts, judging_splits, saved_model_uri
from components.beam_jobs import RunsJobs
from components.evaluation.scores import SCORES_FILE, SPEAKER, ClipScores, write_scores
from components.evaluation.slices import slice_features, tabulate
from components.evaluation.tfma_evaluation import evaluate
from components.evaluator.asked_model import AskedModel, Outputs
from components.examples import read_files, split_files
from components.storage.plain_path import plain_path
from components.tasks import feeding, parts
from components.versions.model_card import read_card
from schemas.example import FeatureValue, decode_example
from schemas.progress import report_progress
from schemas.reports.model_card import ModelCard

_BATCH_CLIPS = 256


class Parameters(TypedDict, total=False):
    """What the step is told; without a background's URI there is none to listen to."""

    task: str
    background_uri: str


class Executor(RunsJobs, base_beam_executor.BaseBeamExecutor):
    """Examples, models and background in; tables of scores and TFMA's files out."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Parameters
    ) -> None:
        files = split_files(judging_splits(input_dict["examples"]))
        models = [*input_dict["model"], *input_dict.get("baseline_model", [])]
        saved_models = [Path(saved_model_uri(model)) for model in models]
        task = exec_properties["task"]
        folder = Path(artifact_utils.get_single_uri(output_dict["scores"]))
        write_scores(score_clips(files, saved_models, task), folder / SCORES_FILE)
        if uri := exec_properties.get("background_uri"):
            with fileio.open(uri, "rb") as file:
                listed = file.read()
            parts.recordings(task).score_recordings_of(
                listed, saved_models[0], read_card(saved_models[0]), folder
            )
        evaluation = artifact_utils.get_single_uri(output_dict["evaluation"])
        with plain_path(evaluation) as path, self._make_beam_pipeline() as pipeline:
            evaluate(folder / SCORES_FILE, path, pipeline)


def score_clips(files: Iterable[Path], saved_models: list[Path], task: str) -> ClipScores:
    """What each SavedModel, the candidate first, answers on the clips of TFRecord `files`; the
    candidate is of `task`, which says what is an error.
    """
    scoring, targeting = parts.scoring(task), feeding.features(task)
    cards = [read_card(path) for path in saved_models]
    incomparable = _incomparable(cards[0], cards[1], scoring.ANSWERS) if len(cards) > 1 else ""
    if incomparable:
        saved_models, cards = saved_models[:1], cards[:1]
    clips = _Clips(targeting)
    models = [AskedModel(path, scoring.OUTPUTS) for path in saved_models]
    outputs: list[list[Outputs]] = [[] for _ in saved_models]
    records = read_files(files)
    # Of no clips too: that says which outputs there are, and of which shape.
    while (batch := list(itertools.islice(records, _BATCH_CLIPS))) or not outputs[0]:
        examples = [decode_example(record) for record in batch]
        folds = [model.unheard(examples) for model in models]
        for batches, model, asked in zip(outputs, models, folds, strict=True):
            batches.append(model.answer(batch, asked))
        for example, fold in zip(examples, folds[0].tolist(), strict=True):
            clips.add(example, fold)
        report_progress(len(clips.ids), len(clips.ids), "clips scored")
    targets = np.array(clips.targets, np.str_)
    judged = [
        scoring.judge(targets, _joined(batches), card)
        for batches, card in zip(outputs, cards, strict=True)
    ]
    features, unsliced = tabulate(clips.features)
    if targeting.GROUPED_BY is not None:
        features = {targeting.GROUPED_BY: targets, **features}
    return ClipScores(
        ids=np.array(clips.ids, np.str_),
        targets=targets,
        units=scoring.units(targets),
        speakers=np.array([each.get(SPEAKER, "") for each in clips.features], np.str_),
        folds=np.array(clips.folds, np.str_),
        features=features,
        unsliced=unsliced,
        candidate=judged[0],
        baseline=judged[1] if len(judged) > 1 else None,
        incomparable=incomparable,
    )


class _Clips:
    """What is kept of the clips while models are asked, a list each."""

    def __init__(self, targeting: feeding.Features) -> None:
        self._targeting = targeting
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.folds: list[str] = []
        self.features: list[dict[str, str]] = []

    def add(self, example: Mapping[str, FeatureValue], fold: str) -> None:
        self.ids.append(str(example["id"]))
        self.targets.append(self._targeting.decode_target(example))
        self.folds.append(fold)
        self.features.append(slice_features(example))


def _joined(batches: list[Outputs]) -> Outputs:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


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
