"""The rows of a workflow as its run directory has them: the person's data, with the feedback clips,
without the speakers that are to be forgotten.
"""

from collections.abc import Mapping

from components.example_gen.sources import Listing, list_utterances
from pipeline.datasets.suppression import Forgotten, read_forgotten
from pipeline.workspace.project import Project
from schemas.text import some

_NAMED = 8


def left_out_text(left_out: Mapping[str, int]) -> str:
    """Which rows `data.labels` leaves out, in words."""
    labels = [f"{label} {rows:,}" for label, rows in left_out.items()]
    return (
        f"{sum(left_out.values()):,} rows have labels that data.labels does not name and are left"
        f" out: {some(labels, _NAMED)}"
    )


class _Remembered(dict[str, bool]):
    """Asks `Forgotten` once about each speaker: a million rows have a few thousand."""

    def __init__(self, forgotten: Forgotten) -> None:
        super().__init__()
        self._forgotten = forgotten

    def __missing__(self, speaker: str) -> bool:
        self[speaker] = self._forgotten.has(speaker)
        return self[speaker]


def list_rows(project: Project) -> Listing:
    """What a run would read: `list_utterances`, and what the run directory says of it.

    Raises:
        DataError: nothing in the data can be used.
        InputError: the list of forgotten speakers cannot be read.
    """
    data, folder, task = project.workflow.data, project.folder, project.workflow.task
    if not project.runs_here:
        return list_utterances(data, folder, task=task)
    directory = project.run_directory
    remembered = _Remembered(read_forgotten(directory))
    return list_utterances(data, folder, directory.feedback, remembered.__getitem__, task)
