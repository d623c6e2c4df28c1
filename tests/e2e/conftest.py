"""The project most whole-pipeline tests start from."""

from pathlib import Path

import pytest
from e2e.tiny import write_recordings, write_workflow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `workflow.yaml` and its recordings, never run."""
    write_recordings(tmp_path / "recordings")
    write_workflow(tmp_path)
    return tmp_path
