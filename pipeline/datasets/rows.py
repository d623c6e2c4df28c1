"""The rows of a workflow as its run directory has them: the person's data, with the feedback clips,
without the speakers that are to be forgotten.
"""

from pathlib import Path

from components.example_gen.sources import Listing, list_utterances
from pipeline.datasets.suppression import Forgotten, read_forgotten
from pipeline.workspace.paths import locate_run_directory
from schemas.workflow.workflow import Workflow


class _Remembered(dict[str, bool]):
    """Asks `Forgotten` once about each speaker: a million rows have a few thousand."""

    def __init__(self, forgotten: Forgotten) -> None:
        super().__init__()
        self._forgotten = forgotten

    def __missing__(self, speaker: str) -> bool:
        self[speaker] = self._forgotten.has(speaker)
        return self[speaker]


def list_rows(workflow: Workflow, base: Path) -> Listing:
    """What a run would read: `list_utterances`, and what the run directory says of it.

    Raises:
        DataError: nothing in the data can be used.
        InputError: the list of forgotten speakers cannot be read.
    """
    if "://" in (workflow.run.directory or ""):  # not on this machine
        return list_utterances(workflow.data, base)
    directory = locate_run_directory(workflow, base)
    remembered = _Remembered(read_forgotten(directory))
    return list_utterances(workflow.data, base, directory.feedback, remembered.__getitem__)
