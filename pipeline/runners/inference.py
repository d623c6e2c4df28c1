"""Runs a batch inference, and draws on the terminal how far it is."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from components.inference.rows import Format
from pipeline.inference.batch import Inference, infer_clips
from pipeline.inference.clips import ClipSource
from pipeline.inference.predict import load_model
from pipeline.inference.target import Target
from pipeline.runners.console.capture import logged_to
from pipeline.runners.console.progress import Progress
from pipeline.workspace.project import Project

_STEP = "Infer"


def infer_with(
    project: Project,
    inputs: Sequence[str],
    output: str,
    *,
    version: int | None = None,
    form: Format | None = None,
) -> Inference:
    """Has the served version of a project, or another, answer all clips of `inputs`; paths are
    relative to the working directory. What libraries say goes to a log of the run directory.

    Raises:
        InputError: the model, the clips or the output cannot be used.
    """
    here = Path.cwd()
    source, target = ClipSource(inputs, here), Target.of(output, form, here)
    model = load_model(project, version)
    log = project.run_directory.logs / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-infer.log"
    with logged_to(log) as terminal, Progress(terminal, [_STEP]) as progress:
        progress.start(_STEP)
        found = infer_clips(model, project.workflow.run.beam, source, target)
        progress.finish(_STEP, "done")
    return found
