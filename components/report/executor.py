"""Gathers what a run left behind and writes the page."""

import contextlib
import datetime
import importlib.metadata
import itertools
import json
from pathlib import Path
from typing import TypedDict

from tfx import types
from tfx.components.evaluator.constants import (
    ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
    ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
)
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils.path_utils import serving_model_path

from components.artifacts import Artifacts, judging_splits, saved_model_here, teaching_splits
from components.evaluation.score_files import find_records, read_scores, scores_file
from components.examples import split_files
from components.pages.clips import (
    Clip,
    named_places,
    read_clips,
    sample_any,
    sample_clips,
    worst_places,
)
from components.pages.section import Judged
from components.report.page import render
from components.report.view_model import (
    CLASSES_SHOWN,
    Artifact,
    Content,
    Origin,
    Parent,
    Push,
    Sources,
    clips_to_hear,
    read_documents,
    read_timings,
)
from components.storage.digests import DIGEST_PROPERTY
from components.storage.location import Location, location_of
from components.tasks import feeding, pages
from components.versions.manifest import digest_model, read_manifest
from components.versions.serving import pushed_versions
from schemas.errors import VersionError
from schemas.reports.model_card import ModelCard
from schemas.reports.verdict import Verdict

REPORT_FILE = "report.html"

_WORST_CLIPS = 12
_EXAMPLES_OF_A_CLASS = 3
_EXAMPLES_OF_NO_CLASS = 12
_VERSIONS = ("auricle", "tfx", "tensorflow", "keras", "apache-beam", "numpy")


class Parameters(TypedDict):
    """What the step is told; `ReportSpec` says what each is."""

    workflow: str
    serving: str
    timings: str
    trainer_code: str


class Executor(base_executor.BaseExecutor):
    """Writes `report.html` into the RunReport artifact."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Parameters
    ) -> None:
        report = artifact_utils.get_single_instance(output_dict["report"])
        with contextlib.ExitStack() as here:
            page = render(_gather(input_dict, exec_properties, here)).encode()
        location_of(f"{report.uri}/{REPORT_FILE}").put(page)


def _gather(inputs: Artifacts, properties: Parameters, here: contextlib.ExitStack) -> Content:
    """What the page says; files that are not on this machine are, until `here` ends."""

    def folder(key: str) -> Path:
        uri = artifact_utils.get_single_uri(inputs[key])
        return here.enter_context(location_of(uri).local_copy())

    model = artifact_utils.get_single_instance(inputs["model"])
    saved_model = here.enter_context(saved_model_here(model))
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
    settings: dict[str, object] = json.loads(properties["workflow"])
    table = scores_file(folder("scores"))
    scores = read_scores(table)
    worst = worst_places(scores, _WORST_CLIPS)
    verdict, card = documents["verdict"], documents["card"]
    part = pages.report(verdict.task)
    wanted = part.places(scores)
    named = named_places(scores, clips_to_hear(verdict))
    judged_files = split_files(judging_splits(inputs["examples"]))
    shown = [*worst, *wanted, *named]
    clips = read_clips(judged_files, scores, shown, find_records(table, shown))
    own = {place: clips[place] for place in wanted}
    judged = Judged(verdict, card, scores.counted, saved_model, own)
    return Content(
        name=str(settings["name"]),
        created=datetime.datetime.now().astimezone(),
        settings=settings,
        push=_push(inputs.get("pushed_model") or []),
        examples=_examples(split_files(teaching_splits(inputs["examples"])), card, verdict),
        worst=[clips[place] for place in worst],
        sections=part.sections(judged),
        facts=part.facts(verdict),
        named={clips[place].clip.id: clips[place] for place in named},
        origin=_origin(inputs, properties),
        timings=read_timings(properties["timings"]),
        lineage=_lineage(inputs),
        versions={name: importlib.metadata.version(name) for name in _VERSIONS},
        **documents,
    )


def _examples(files: list[Location], card: ModelCard, verdict: Verdict) -> list[Clip]:
    """Some of each class, or the first ones where targets form no groups."""
    target_of = feeding.features(verdict.task).decode_target
    if verdict.details.target_feature is None:
        return sample_any(files, _EXAMPLES_OF_NO_CLASS, target_of)
    shown = card.labels[:CLASSES_SHOWN]
    count = max(1, min(_EXAMPLES_OF_A_CLASS, CLASSES_SHOWN // max(1, len(shown))))
    return list(
        itertools.chain.from_iterable(sample_clips(files, shown, count, target_of).values())
    )


def _push(pushed: list[types.Artifact]) -> Push | None:
    for artifact in pushed:
        if artifact.get_int_custom_property("pushed") == 1:
            return Push(
                artifact.get_string_custom_property("pushed_version"),
                artifact.get_string_custom_property("pushed_destination"),
            )
    return None


def _origin(inputs: Artifacts, properties: Parameters) -> Origin:
    examples = artifact_utils.get_single_instance(inputs["examples"])
    blessing = artifact_utils.get_single_instance(inputs["blessing"])
    parent = None
    if uri := blessing.get_string_custom_property(ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY):
        parent = Parent(
            blessing.get_int_custom_property(ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY),
            uri,
            _served_version(serving_model_path(uri), properties["serving"]),
        )
    return Origin(
        examples.get_string_custom_property(DIGEST_PROPERTY) or None,
        properties["trainer_code"],
        parent,
    )


def _served_version(model: str, serving: str) -> int | None:
    """The newest version in a serving directory that holds `model`."""
    digest = digest_model(location_of(model))
    for version in reversed(pushed_versions(location_of(serving))):
        with contextlib.suppress(VersionError):  # made by hand
            if read_manifest(version.folder).model_digest == digest:
                return version.number
    return None


def _lineage(inputs: Artifacts) -> list[Artifact]:
    return [
        Artifact(role.replace("_", " "), artifact.type_name, artifact.id, artifact.uri)
        for role, artifacts in inputs.items()
        for artifact in artifacts
    ]
