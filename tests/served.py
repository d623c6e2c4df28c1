"""Versions that answer, pushed for tests: untrained models that take no second to make."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import keras

from components.models.frontends import Framing
from components.storage.location import Location, location_of
from components.trainer.export import export_model
from components.versions.model_card import read_card
from components.versions.serving import push_version
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard

RATE, CLIP_S = 8000, 0.5
LABELS = ["_unknown_", "no", "stop"]


def push_answering(serving: Path | Location, name: str = "words", **card: object) -> Location:
    """Pushes a model that conditions clips and answers one of `LABELS`; its folder."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved"
        shutil.copytree(_saved(), saved)
        made = read_card(saved).model_copy(update={"name": name, **card})
        (saved / MODEL_CARD_FILE).write_text(made.model_dump_json())
        return push_version(saved, location_of(serving), name).folder


@functools.cache
def _saved() -> Path:
    """A model that is made once a process, which takes seconds."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input([round(RATE * CLIP_S)])
    frames = Framing(100, 100)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3)(keras.layers.LSTM(8)(frames)))
    card = ModelCard(
        name="words",
        labels=LABELS,
        audio={"sample_rate": RATE, "clip_s": CLIP_S},
        frontend={},
        model={},
        parameters=model.count_params(),
        generated=False,
    )
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    export_model(model, card, folder)
    return Path(folder)
