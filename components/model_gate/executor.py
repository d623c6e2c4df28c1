"""Has the evaluation judged, and marks the blessing the way TFX's Evaluator does."""

from typing import TypedDict

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.artifacts import BASELINE_PROPERTY, Artifacts, model_at, saved_model_uri
from components.evaluation.case import Case
from components.evaluation.score_files import read_conditions, read_scores, scores_file
from components.evaluation.tfma_evaluation import BASELINE, CANDIDATE
from components.evaluation.tfma_results import read_results
from components.model_gate.decision import decide
from components.model_gate.trace import add_trace
from components.storage.location import location_of
from components.tasks import parts
from components.versions.model_card import read_card
from schemas.reports.verdict import VERDICT_FILE, Verdict
from schemas.workflow.gate import common_to_all


class Parameters(TypedDict, total=False):
    """What the step is told: the settings `gate` of the `task`, as JSON, and the file in which
    `judgements` are kept, if anywhere.
    """

    gate: str
    task: str
    judgements: str


class Executor(base_executor.BaseExecutor):
    """Writes `verdict.json` and the marker file; sets what Pusher and Resolver look for."""

    def Do(  # noqa: N802 (TFX's name)
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Parameters
    ) -> None:
        evaluation = artifact_utils.get_single_instance(input_dict["evaluation"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline") or []), None)
        if looked_up := input_dict["scores"][0].get_string_custom_property(BASELINE_PROPERTY):
            baseline = model_at(looked_up)
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        settings, task = exec_properties["gate"], exec_properties["task"]
        uri = artifact_utils.get_single_uri(input_dict["scores"])
        with location_of(uri).local_copy() as folder:
            scores = read_scores(scores_file(folder))
            case = Case(
                measure=parts.scoring(task).MEASURE,
                confidence=common_to_all(settings).confidence,
                scores=scores.counted,
                tallies=read_results(evaluation.uri, CANDIDATE),
                folder=folder,
            )
            verdict = decide(
                case,
                scores,
                task=task,
                settings=settings,
                baseline=read_results(evaluation.uri, BASELINE) if baseline else None,
                generated=read_card(saved_model_uri(model)).generated,
                conditions=read_conditions(folder),
            )
        if judgements := exec_properties.get("judgements"):
            verdict = add_trace(verdict, blessing.uri, location_of(judgements), model.uri)
        _mark(blessing, model, baseline, verdict)


def _mark(
    blessing: types.Artifact,
    model: types.Artifact,
    baseline: types.Artifact | None,
    verdict: Verdict,
) -> None:
    is_blessed = verdict.allows_push
    io_utils.write_string_file(f"{blessing.uri}/{VERDICT_FILE}", verdict.model_dump_json(indent=2))
    marker = constants.BLESSED_FILE_NAME if is_blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{marker}", "")
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if is_blessed else constants.NOT_BLESSED_VALUE,
    )
