"""Versions in a serving directory for tests: small files that stand for a model, and a verdict."""

import tempfile
from pathlib import Path

from scored import classifier_verdict

from components.storage.location import Location, location_of
from components.versions.serving import push_version
from schemas.reports.metrics import Interval
from schemas.reports.model_card import MODEL_CARD_FILE, Lineage, ModelCard, TrainingData
from schemas.reports.verdict import Verdict
from schemas.versions import CARD_FILE, VERSION_VERDICT_FILE

LINEAGE = Lineage(examples="e" * 64, settings="5" * 64, code="c" * 64)


def make_card(**changes: object) -> ModelCard:
    values: dict[str, object] = {
        "name": "digits",
        "labels": ["one", "two"],
        "audio": {"sample_rate": 8000, "clip_s": 1.0},
        "frontend": {"kind": "log_mel"},
        "model": {"architecture": "cnn"},
        "parameters": 161578,
        "generated": False,
        "data": TrainingData(clips=900, speakers=3, licences={"CC BY 4.0": 900}),
        "lineage": LINEAGE,
    }
    return ModelCard.model_validate(values | changes)


def make_verdict(accuracy: float = 0.912) -> Verdict:
    return classifier_verdict(
        outcome="blessed",
        reasons=["accuracy 0.912 reaches 0.9"],
        rules=[],
        confidence=0.95,
        clips=500,
        accuracy=accuracy,
        accuracy_interval=Interval(low=accuracy - 0.03, high=accuracy + 0.02),
        macro_f1=0.91,
        calibration_error=0.04,
        baseline=0.9,
        difference=0.012,
        difference_interval=Interval(low=-0.001, high=0.025),
        classes={},
        slices=[],
        unsliced={},
        confusion=[],
        labels=["one", "two"],
        generated=False,
    )


def make_version(
    serving: Path | Location, text: str, accuracy: float = 0.912, name: str = "digits"
) -> Path:
    """Pushes a model that is told from others by `text`; its folder."""
    return push_text(location_of(serving), text, accuracy, name).path


def push_text(
    serving: Location, text: str, accuracy: float = 0.912, name: str = "digits"
) -> Location:
    """The same in any storage, by a workflow of this name."""
    card = make_card(name=name)
    texts = {
        CARD_FILE: f"# digits {text}\n",
        VERSION_VERDICT_FILE: make_verdict(accuracy).model_dump_json(),
    }
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder)
        (model / "assets.extra").mkdir()
        (model / "saved_model.pb").write_text(text)
        (model / MODEL_CARD_FILE).write_text(card.model_dump_json())
        return push_version(model, serving, card.name, texts, lineage=card.lineage).folder
