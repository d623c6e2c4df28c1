"""A data set that grows by spans, and what a finished run of it leaves, for tests."""

import datetime
import json
from pathlib import Path

from components.example_gen.index_writer import write_index
from components.example_gen.sources import list_utterances
from pipeline.runs.snapshot import observe, remember
from pipeline.workspace.lock import adopt
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import Project
from schemas.workflow.workflow import Workflow

NOW = datetime.datetime(2026, 5, 1, 3, 0, tzinfo=datetime.timezone.utc)


def make_workflow(**blocks: dict[str, object]) -> Workflow:
    values: dict[str, object] = {
        "name": "digits",
        "data": {"manifests": "data/{SPAN}/manifest.jsonl"},
        **blocks,
    }
    return Workflow.model_validate(values)


WORKFLOW = make_workflow()


def add_span(base: Path, number: int, labels: str = "abababab") -> None:
    folder = base / "data" / str(number)
    folder.mkdir(parents=True)
    rows = []
    for take, label in enumerate(labels):
        (folder / f"{take}.wav").write_bytes(b"RIFF" + bytes([number, take]) * 40)
        rows.append({"audio_filepath": f"{take}.wav", "label": label, "speaker": f"s{take}"})
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def finish_run(project: Project) -> RunDirectory:
    """What a run leaves of what it has seen."""
    workflow, directory = project.workflow, project.run_directory
    adopt(project)
    listing = list_utterances(workflow.data, project.folder)
    observed, stamps = observe(project, listing)
    index = write_index(listing, workflow.data, directory.index, directory.digests)
    remember(observed, stamps, index.digest, directory, NOW)
    return directory
