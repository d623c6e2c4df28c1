"""What has to hold of a data set before anything runs on it, wherever it is to run."""

from components.evaluation.slices import check_slices
from components.example_gen.background import list_background
from components.example_gen.splits import check_data_set
from components.tasks import feeding
from pipeline.workspace.project import Project
from schemas.background import BackgroundRecording
from schemas.utterance import Utterance
from schemas.workflow.workflow import Workflow


def check_inputs(project: Project, rows: list[Utterance]) -> list[BackgroundRecording]:
    """The recordings without keywords that go with `rows`, once both were found usable.

    Raises:
        DataError: no model can be made, or judged, from them.
    """
    check_rows(project.workflow, rows)
    return background_of(project, rows)


def check_rows(workflow: Workflow, rows: list[Utterance]) -> None:
    """Refuses rows that no model can be made, or judged, from.

    Raises:
        DataError: says what is missing.
    """
    check_data_set(rows, workflow.data.split, workflow.task)
    for key, names in workflow.gate.slices().items():
        check_slices(key, names, rows, feeding.features(workflow.task).GROUPED_BY)


def background_of(project: Project, rows: list[Utterance]) -> list[BackgroundRecording]:
    """The recordings without keywords.

    Raises:
        DataError: they cannot be used, or are among `rows`.
    """
    workflow = project.workflow
    return list_background(workflow.data, workflow.audio.clip_s, project.folder, rows)
