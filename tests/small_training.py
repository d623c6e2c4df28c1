"""A whole training as TFX's Trainer calls it, of a model that takes a second."""

import json
from pathlib import Path
from typing import Any

from tfx.components.trainer.fn_args_utils import FnArgs

from components.trainer.run_fn import run_fn
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.workflow.audio import Audio
from schemas.workflow.augment import Augment, SpecAugment
from schemas.workflow.frontend import Frontend
from schemas.workflow.model import Model
from schemas.workflow.train import Train

Files = dict[str, list[str]]


def train(
    folder: Path,
    files: Files,
    base_model: Path | None = None,
    architecture: str = "rnn",
    **settings: Any,
) -> Path:
    """Trains into `folder`, from the model of the folder `base_model`; the model's folder."""
    blocks = {
        "audio": Audio(sample_rate=8000, clip_s=0.3),
        "frontend": Frontend(frame_length_ms=20.0, frame_step_ms=20.0, num_mel_bins=8),
        "augment": Augment(speed=0.0, time_shift_ms=10.0, spec_augment=SpecAugment(freq_masks=0)),
        "model": Model(architecture=architecture, units=8, layers=1, filters=4),
        "train": Train(**{"epochs": 2, "batch_size": 16, "learning_rate": 0.02} | settings),
    }
    workflow = {"name": "t", **{name: block.model_dump() for name, block in blocks.items()}}
    config = {
        "workflow": json.dumps(workflow),
        "generated": False,
        "examples": "e",
        "code": "c",
        "checkpoints": str(folder / "checkpoints"),
    }
    if settings.get("start") == "both":
        config["confidence"] = 0.95
    run_fn(
        FnArgs(
            train_files=files["train"],
            eval_files=files["eval"],
            serving_model_dir=str(folder / "model"),
            model_run_dir=str(folder / "run"),
            base_model=str(base_model) if base_model else None,
            custom_config=config,
        )
    )
    assert not list((folder / "checkpoints").rglob("*.npz"))
    return folder / "model"


def card(model: Path) -> ModelCard:
    return ModelCard.model_validate_json((model / MODEL_CARD_FILE).read_bytes())
