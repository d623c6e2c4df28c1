"""The file of timings is whole and of the present run at any time."""

import json
from pathlib import Path

from pipeline.runners.console.step_timings import Timings


def test_finished_steps_are_in_the_file_in_their_order(tmp_path: Path) -> None:
    file = tmp_path / "timings.json"
    timings = Timings(file)
    assert json.loads(file.read_text()) == []
    timings.add("Prepare", 1.5, "done")
    timings.add("AudioExampleGen", 0.25, "reused")
    assert json.loads(file.read_text()) == [
        {"name": "Prepare", "seconds": 1.5, "is_reused": False},
        {"name": "AudioExampleGen", "seconds": 0.25, "is_reused": True},
    ]
    Timings(file)  # the next run
    assert json.loads(file.read_text()) == []
    assert list(tmp_path.iterdir()) == [file]
