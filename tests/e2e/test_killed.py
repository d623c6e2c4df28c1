"""A run that was killed in the middle of its training is gone on with."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from e2e.running import AURICLE, artifacts, run
from e2e.tiny import TINY, write_workflow
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from waiting import wait_until

from schemas.reports.training import Epoch

pytestmark = pytest.mark.e2e

EPOCHS = 50  # seconds of training, which a check every 20 ms cannot miss
TRAIN = TINY["train"] | {"epochs": EPOCHS, "patience": EPOCHS}


@pytest.fixture
def training(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, stopped hard in the middle of its training."""
    write_workflow(project, train=TRAIN)
    process = subprocess.Popen(
        [*AURICLE, "run", "workflow.yaml"], cwd=project, stdout=subprocess.DEVNULL, text=True
    )
    checkpoints = project / "runs" / "tones" / "checkpoints"
    wait_until(lambda: list(checkpoints.rglob("*.npz")), process)
    yield process
    process.kill()
    process.wait()


def test_a_killed_training_is_continued(project: Path, training: subprocess.Popen[str]) -> None:
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    [checkpoint] = (project / "runs" / "tones" / "checkpoints").rglob("*.npz")
    with np.load(checkpoint) as arrays:
        before = json.loads(str(arrays["history"]))
    assert 0 < len(before) < EPOCHS
    result = run(project)
    assert {"AudioExampleGen", "StatisticsGen", "ImportSchemaGen"} <= set(result.reused)
    history = json.loads((artifacts(project, "Trainer", "model_run") / "history.json").read_text())
    assert history[: len(before)] == before  # the very same epochs, down to their seconds
    epochs = [Epoch.model_validate(epoch) for epoch in history]
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert not list((project / "runs" / "tones" / "checkpoints").rglob("*.npz"))
    connection = metadata.sqlite_metadata_connection_config(
        str(project / "runs" / "tones" / "metadata.sqlite")
    )
    states = {e.last_known_state for e in MetadataStore(connection).get_executions()}
    assert metadata_store_pb2.Execution.RUNNING not in states
    assert run(project).ran == []
