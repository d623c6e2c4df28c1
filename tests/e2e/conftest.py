"""A workflow small enough to run whole in a test: three words, twelve voices, two epochs."""

from pathlib import Path

import pytest
import yaml

TINY = {
    "name": "tiny",
    "data": {
        "generated": {"words": ["yes", "no", "stop"], "speakers": 12, "takes": 1},
        "split": {"eval": 0.25, "test": 0.25},
    },
    "audio": {"sample_rate": 8000, "clip_s": 0.75},
    "frontend": {"num_mel_bins": 20},
    "model": {"architecture": "cnn", "units": 16, "layers": 2, "filters": 8},
    "train": {"epochs": 2, "batch_size": 8},
}


@pytest.fixture
def tiny() -> dict[str, object]:
    return {key: value for key, value in TINY.items()}


def write_workflow(folder: Path, content: dict[str, object]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "workflow.yaml"
    file.write_text(yaml.safe_dump(content))
    return file
