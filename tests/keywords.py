"""Score tables and background of a keyword spotter, and what its gate says of them, for tests."""

import tempfile
from pathlib import Path

import numpy as np
import scored

from components.evaluation.scores import ClipScores
from components.model_gate.decision import decide
from components.tasks.classify import config as classify
from components.tasks.spot.config import Gate
from components.tasks.spot.wake_word import BACKGROUND_FILE, Background, write_background
from schemas.reports.verdict import Verdict

LABELS = ["_unknown_", "stop"]


def clips(true_scores: list[float], unknown: int = 0) -> ClipScores:
    """Clips of `stop` with these scores, and `unknown` clips that are answered as `stop`."""
    stop = np.array(true_scores + [0.99] * unknown, np.float32)
    return scored.table(
        ids=np.array([f"clip{number}" for number in range(len(stop))]),
        labels=np.array(["stop"] * len(true_scores) + ["_unknown_"] * unknown),
        candidate=scored.Answered(np.array(LABELS), np.stack([1 - stop, stop], axis=1)),
    )


def background(hours: float, *alarms: list[float], left_out: dict[str, str] | None = None):
    """Recordings of `hours` each with alarms of these scores, a minute apart."""
    found = [(n, 60.0 * k, score) for n, all_ in enumerate(alarms) for k, score in enumerate(all_)]
    recordings, start_s, scores = zip(*found, strict=True) if found else ((), (), ())
    return Background(
        names=np.array([f"r{number}.wav" for number in range(len(alarms))]),
        lengths_s=np.full(len(alarms), hours * 3600),
        recordings=np.array(recordings, np.int64),
        start_s=np.array(start_s, np.float64),
        scores=np.array(scores, np.float32),
        clip_s=1.0,
        left_out=left_out or {},
    )


def verdict_on(
    scores: ClipScores, heard: Background | None, confidence: float = 0.95, **gate: object
) -> Verdict:
    task = "classify" if heard is None else "spot"
    of_task = classify.Gate if heard is None else Gate
    settings = of_task.model_validate(gate | {"confidence": confidence}).model_dump_json()
    with tempfile.TemporaryDirectory() as folder:
        if heard is not None:
            write_background(heard, Path(folder) / BACKGROUND_FILE)
        case = scored.case(scores, Path(folder), confidence)
        return decide(case, scores, task=task, settings=settings)
