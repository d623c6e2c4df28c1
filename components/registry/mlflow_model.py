"""Describes a registered model to MLflow: flavours, signature, and what loads it."""

import importlib.metadata
import platform
import shutil
from pathlib import Path

import numpy as np
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec

from schemas.reports.model_card import ModelCard

MODEL = "model"  # a run's folder of files
SAVED_MODEL = "saved_model"  # inside it
_CODE = "code"
_LOADER = Path(__file__).with_name("auricle_pyfunc.py")
_PACKAGES = ("mlflow", "tensorflow", "numpy", "pandas")


def write_model_files(card: ModelCard, run_id: str, folder: Path) -> None:
    """Writes to `folder` what lies beside the SavedModel."""
    model = Model(
        artifact_path=MODEL,
        run_id=run_id,
        signature=_signature(card),
        metadata={"task": card.task, "sample_rate": card.audio.sample_rate},
    )
    model.add_flavor("tensorflow", saved_model_dir=SAVED_MODEL, model_type="tf2-module")
    model.add_flavor(
        "python_function",
        loader_module=_LOADER.stem,
        code=_CODE,
        data=SAVED_MODEL,
        env={"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
        python_version=platform.python_version(),
    )
    (folder / _CODE).mkdir()
    shutil.copy(_LOADER, folder / _CODE)
    _write_environment(folder)
    model.save(str(folder / "MLmodel"))


def _signature(card: ModelCard) -> ModelSignature:
    """Waveforms [batch, samples]; answers are known beforehand of models that have labels."""
    outputs = Schema([ColSpec("string", "label"), ColSpec("double", "score")])
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1))]),
        outputs=outputs if card.labels else None,
    )


def _write_environment(folder: Path) -> None:
    """What MLflow builds an environment from, in each of its three forms."""
    python = platform.python_version()
    packages = [f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES]
    (folder / "requirements.txt").write_text("\n".join([*packages, ""]))
    (folder / "python_env.yaml").write_text(
        f"python: {python}\ndependencies:\n- -r requirements.txt\n"
    )
    listed = "\n".join(f"  - {package}" for package in packages)
    (folder / "conda.yaml").write_text(
        f"name: {_LOADER.stem}\nchannels:\n- conda-forge\ndependencies:\n- python={python}\n- pip\n"
        f"- pip:\n{listed}\n"
    )
