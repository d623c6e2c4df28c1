"""Scores test clips and background with the exported models; TFMA measures the test clips."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.artifacts import saved_model_uri
from components.evaluation.metrics import evaluate
from components.evaluation.scores import SCORES_FILE, ClipScores, ModelScores, write_scores
from components.evaluation.slices import slice_features, tabulate
from components.tasks.spot.stream_scoring import score_recordings
from components.tasks.spot.wake_word import BACKGROUND_FILE, write_background
from schemas.background import BACKGROUND_LIST
from schemas.example import decode_example
from schemas.progress import report_progress
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.tfrecord import read_records

SPLIT = "test"
BACKGROUND_URI_KEY = "background_uri"
_BATCH_CLIPS = 256

Score = Callable[[list[bytes]], NDArray[np.float32]]


class Executor(base_beam_executor.BaseBeamExecutor):
    """Examples, models and background in; tables of scores and TFMA's files out."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        files = [
            file
            for uri in artifact_utils.get_split_uris(input_dict["examples"], SPLIT)
            for file in sorted(Path(uri).glob("*tfrecord*"))
        ]
        models = [*input_dict["model"], *input_dict.get("baseline_model", [])]
        scores = score_clips(files, [Path(saved_model_uri(model)) for model in models])
        folder = Path(artifact_utils.get_single_uri(output_dict["scores"]))
        file = folder / SCORES_FILE
        write_scores(scores, file)
        if uri := exec_properties.get(BACKGROUND_URI_KEY):
            _hear_background(uri, models[0], folder)
        with self._make_beam_pipeline() as pipeline:
            evaluate(file, artifact_utils.get_single_uri(output_dict["evaluation"]), pipeline)


def _hear_background(uri: str, model: types.Artifact, scores: Path) -> None:
    with fileio.open(uri, "rb") as file:
        recordings = BACKGROUND_LIST.validate_json(file.read())
    saved_model = Path(saved_model_uri(model))
    background = score_recordings(recordings, saved_model, _card(saved_model))
    write_background(background, scores / BACKGROUND_FILE)


def score_clips(files: Iterable[Path], saved_models: list[Path]) -> ClipScores:
    """What each SavedModel, the candidate first, answers on the clips of TFRecord `files`."""
    cards = [_card(path) for path in saved_models]
    incomparable = _incomparable(*cards) if len(cards) > 1 else ""
    if incomparable:
        saved_models, cards = saved_models[:1], cards[:1]
    labels = [card.labels for card in cards]
    signatures = [_load(path) for path in saved_models]
    ids: list[str] = []
    true: list[str] = []
    features: list[dict[str, str]] = []
    scores: list[list[NDArray[np.float32]]] = [[] for _ in saved_models]
    records = itertools.chain.from_iterable(map(read_records, files))
    while batch := list(itertools.islice(records, _BATCH_CLIPS)):
        for parts, score in zip(scores, signatures, strict=True):
            parts.append(score(batch))
        for record in batch:
            example = decode_example(record)
            ids.append(str(example["id"]))
            true.append(str(example["label"]))
            features.append(slice_features(example))
        report_progress(len(ids), len(ids), "clips scored")
    sliced, unsliced = tabulate(features)
    models = [
        ModelScores(
            np.array(names, np.str_), np.concatenate([np.empty((0, len(names)), np.float32), *own])
        )
        for names, own in zip(labels, scores, strict=True)
    ]
    return ClipScores(
        ids=np.array(ids, np.str_),
        labels=np.array(true, np.str_),
        features=sliced,
        unsliced=unsliced,
        candidate=models[0],
        baseline=models[1] if len(models) > 1 else None,
        incomparable=incomparable,
    )


def _incomparable(candidate: ModelCard, baseline: ModelCard) -> str:
    """Why clips that were conditioned for the candidate are none for the baseline, or nothing."""
    ours, theirs = candidate.audio.model_dump(), baseline.audio.model_dump()
    keys = [key for key in ours if ours[key] != theirs[key]]
    return ", ".join(f"audio.{key} was {theirs[key]} and is {ours[key]}" for key in keys)


def _load(saved_model: Path) -> Score:
    """Serialized tf.Examples -> scores [batch, classes], by the exported model itself."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(saved_model)).signatures["serving_examples"]

    def score(records: list[bytes]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = signature(examples=tf.constant(records))["scores"].numpy()
        return scores

    return score


def _card(saved_model: Path) -> ModelCard:
    return ModelCard.model_validate_json((saved_model / MODEL_CARD_FILE).read_bytes())
