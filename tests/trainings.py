"""Trainings as a registry is told of them."""

import datetime

from pushed import make_card, make_verdict

from components.registry.training import DataSet, Training
from schemas.reports.metrics import Interval, SliceMetrics
from schemas.reports.training import Epoch

DATA = DataSet("d" * 64, "recordings/manifest.jsonl", {"train": 900, "eval": 50, "test": 500})


def make_slice(feature: str, value: str, headline: float) -> SliceMetrics:
    return SliceMetrics(
        feature=feature,
        value=value,
        headline=headline,
        interval=Interval(low=0.0, high=1.0),
        clips=5,
        is_small=False,
        difference=None,
    )


def make_training(run: int, model_digest: str, **changes: object) -> Training:
    """A refused one of two epochs."""
    common = {"metric": "accuracy", "learning_rate": 0.01, "seconds": 1.5}
    epochs = [
        Epoch(epoch=1, loss=2.0, value=0.3, val_loss=2.5, val_value=0.2, **common),
        Epoch(epoch=2, loss=1.0, value=0.6, val_loss=float("nan"), val_value=0.4, **common),
    ]
    slices = [
        make_slice("speaker", "annegret", 0.1),
        make_slice("snr", "20 to 30 dB", 0.7),
        make_slice("room", 'نعم: "$x^2$" <b>/..', 0.8),
        make_slice("label", "one", 0.9),
    ]
    verdict = make_verdict().model_copy(update={"outcome": "refused", "slices": slices})
    values: dict[str, object] = {
        "run": run,
        "began": datetime.datetime(2026, 11, 25, run, tzinfo=datetime.timezone.utc),
        "seconds": 60.0,
        "outcome": "refused",
        "version": None,
        "model_digest": model_digest,
        "card": make_card(train={"epochs": 2}),
        "verdict": verdict,
        "data": DATA,
        "epochs": epochs,
        "metrics": {"recall/one": 0.9},
        "pictures": {"confusion.png": b"\x89PNG"},
        "report": None,
        "is_scheduled": False,
    }
    return Training(**(values | changes))  # type: ignore[arg-type]
