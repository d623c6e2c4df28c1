"""Gathers what a run left behind and writes the page."""

import datetime
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import numpy as np
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.artifacts import saved_model_uri
from components.evaluation.scores import SCORES_FILE, read_scores
from components.explanation.answer import attribute, load_model
from components.explanation.picture import explanation_png, explanation_text
from components.report.clips import (
    ScoredClip,
    confident_mistakes,
    sample_clips,
    split_files,
    worst_clips,
)
from components.report.content import Artifact, Content, Explained, Push, Sources, read_documents
from components.report.page import render
from schemas.reports import ModelCard

REPORT_FILE = "report.html"

_WORST_CLIPS = 12
_MISTAKES = 6
_LONGEST_EXPLAINED_S = 5.0  # a minute of one clip would take as long
_EXAMPLES_OF_A_CLASS = 3
_EXAMPLES = 60
_VERSIONS = ("auricle", "tfx", "tensorflow", "keras", "apache-beam", "numpy")


class Executor(base_executor.BaseExecutor):
    """Writes `report.html` into the RunReport artifact."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        report = artifact_utils.get_single_instance(output_dict["report"])
        settings = json.loads(exec_properties["workflow"])
        content = _gather(input_dict, settings)
        Path(report.uri).mkdir(parents=True, exist_ok=True)
        (Path(report.uri) / REPORT_FILE).write_text(render(content), encoding="utf-8")


def _gather(inputs: dict[str, list[types.Artifact]], settings: dict[str, Any]) -> Content:
    def folder(key: str) -> Path:
        return Path(artifact_utils.get_single_uri(inputs[key]))

    model = artifact_utils.get_single_instance(inputs["model"])
    saved_model = Path(saved_model_uri(model))
    documents = read_documents(
        Sources(
            ingest_report=folder("ingest_report"),
            rejects=folder("rejects"),
            data_verdict=folder("data_verdict"),
            saved_model=saved_model,
            model_run=folder("model_run"),
            blessing=folder("blessing"),
            infra_blessing=folder("infra_blessing"),
        )
    )
    labels = documents["card"].labels
    scores = read_scores(folder("scores") / SCORES_FILE)
    mistakes = confident_mistakes(_files(inputs["examples"], "test"), scores, _MISTAKES)
    shown = labels[:_EXAMPLES]
    count = max(1, min(_EXAMPLES_OF_A_CLASS, _EXAMPLES // max(1, len(shown))))
    return Content(
        name=settings["name"],
        created=datetime.datetime.now().astimezone(),
        settings=settings,
        push=_push(inputs.get("pushed_model") or []),
        examples=sample_clips(_files(inputs["examples"], "train"), shown, count),
        worst=worst_clips(_files(inputs["examples"], "test"), scores, _WORST_CLIPS),
        explained=_explain(saved_model, documents["card"], mistakes),
        scores=scores.counted,
        lineage=_lineage(inputs),
        versions={name: importlib.metadata.version(name) for name in _VERSIONS},
        **documents,
    )


def _files(examples: list[types.Artifact], split: str) -> list[Path]:
    return [
        file for uri in artifact_utils.get_split_uris(examples, split) for file in split_files(uri)
    ]


def _explain(saved_model: Path, card: ModelCard, mistakes: list[ScoredClip]) -> list[Explained]:
    """What decided for the wrong answers, of clips that are short enough."""
    clip_s = float(str(card.audio["clip_s"]))
    if not mistakes or clip_s > _LONGEST_EXPLAINED_S:
        return []
    model = load_model(saved_model)
    explained = []
    for scored in mistakes:
        waveform = scored.clip.waveform.astype(np.float32) / 32768
        found = attribute(model, card, waveform, card.labels.index(scored.answer))
        text = explanation_text(found, scored.answer)
        explained.append(Explained(scored, explanation_png(found, scored.answer), text))
    return explained


def _push(pushed: list[types.Artifact]) -> Push | None:
    for artifact in pushed:
        if artifact.get_int_custom_property("pushed") == 1:
            return Push(
                artifact.get_string_custom_property("pushed_version"),
                artifact.get_string_custom_property("pushed_destination"),
            )
    return None


def _lineage(inputs: dict[str, list[types.Artifact]]) -> list[Artifact]:
    return [
        Artifact(role.replace("_", " "), artifact.type_name, artifact.id, artifact.uri)
        for role, artifacts in inputs.items()
        for artifact in artifacts
    ]
