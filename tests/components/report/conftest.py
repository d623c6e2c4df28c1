"""A small run's artifacts as files: records, documents; no TensorFlow needed to make them."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scored
from scored import classifier_verdict

from components.evaluation.scores import ClipScores
from components.tasks.classify.details import ClassMetrics
from schemas.example import FeatureValue, encode_example
from schemas.reports.data_verdict import DataVerdict
from schemas.reports.ingest import IngestReport, SplitCounts
from schemas.reports.leakage import Leak, SplitCertificate
from schemas.reports.metrics import Interval, SliceMetrics
from schemas.reports.model_card import ModelCard
from schemas.reports.rejects import Reject
from schemas.reports.rule import Rule
from schemas.reports.serving import ServingReport
from schemas.reports.step_timings import TIMINGS_FILE, StepTiming
from schemas.reports.training import Start
from schemas.reports.verdict import GateRule, Verdict
from schemas.tfrecord import frame_record

RATE = 8000
SCRIPT = "<script>alert(1)</script>"
LABELS = ["yes", SCRIPT, "نعم", 'a "$q^2$" & b' + "w" * 80]


@dataclass(frozen=True)
class Row:
    """A stored clip; `rms_db` decides what the test's model answers."""

    id: str
    label: str
    speaker: str
    rms_db: float

    def common_values(self, samples: int = RATE // 2) -> dict[str, FeatureValue]:
        tone = np.sin(2 * np.pi * 500 * np.arange(samples) / RATE)
        return {
            "id": self.id,
            "uri": f"clips/{self.id}.wav",
            "split_key": self.speaker,
            "speaker": self.speaker,
            "metadata": "{}",
            "audio": (tone * 9000).astype("<i2").tobytes(),
            "duration_s": 0.5,
            "rms_db": self.rms_db,
            "peak_db": -3.0,
            "clipped_fraction": 0.0,
            "dc_offset": 0.0,
            "snr_db": 20.0,
            "speech_fraction": 0.5,
            "source_rate_hz": RATE,
            "missing_s": 0.0,
            "source_channels": 1,
            "heard_channels": 1,
            "source_format": "wav",
        }

    def record(self, samples: int = RATE // 2) -> bytes:
        return encode_example(self.common_values(samples) | {"label": self.label})


def make_rows(split: str, clips: int, labels: list[str] = LABELS) -> list[Row]:
    rng = np.random.default_rng(len(split))
    return [
        Row(
            id=f"{split}{i}",
            label=labels[i % len(labels)],
            speaker=f"{split} speaker {i % 3}",
            rms_db=float(np.float32(rng.uniform(-40, 0))),
        )
        for i in range(clips)
    ]


def _make_scores(labels: list[str], rows: list[Row]) -> ClipScores:
    """Scores that depend on label and rms_db alone."""
    is_true = np.array([[row.label == label for label in labels] for row in rows], float)
    rms_db = np.array([row.rms_db for row in rows])
    is_true = is_true.reshape(len(rows), len(labels))
    logits = 2 * is_true + 3 * np.sin(rms_db[:, None] + np.arange(len(labels)))
    exponents = np.exp(logits)
    scores = exponents / exponents.sum(axis=1, keepdims=True)
    return scored.table(
        ids=np.array([row.id for row in rows], np.str_),
        labels=np.array([row.label for row in rows], np.str_),
        candidate=scored.Answered(np.array(labels), scores.astype(np.float32)),
    )


def write_records(path: Path, records: Iterable[bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(frame_record, records)))
    return path


def make_verdict(
    labels: list[str], clips: int, generated: bool, named: tuple[list[str], list[str]]
) -> Verdict:
    """Refused; `named` are the clips that the two rules it breaks name."""
    confusion = np.eye(len(labels), dtype=int) * (clips // len(labels) - 1)
    confusion[:, 0] += 1
    return classifier_verdict(
        outcome="refused",
        reasons=[f"accuracy 0.700 is below 0.95 because of {SCRIPT}", "the slices are worse"],
        rules=[
            GateRule(name="size", outcome="held", message="it is small", clips=["test39"]),
            GateRule(
                name="accuracy",
                outcome="broken",
                message=f"accuracy 0.700 is below 0.95 because of {SCRIPT}",
                clips=named[0],
            ),
            GateRule(
                name="slices", outcome="broken", message="the slices are worse", clips=named[1]
            ),
        ],
        confidence=0.95,
        clips=clips,
        accuracy=0.7,
        accuracy_interval=Interval(low=0.55, high=0.82),
        macro_f1=0.66,
        calibration_error=0.12,
        baseline=None,
        difference=None,
        difference_interval=None,
        unsliced={f"text {SCRIPT}": 10_000},
        classes={label: ClassMetrics(precision=0.5, recall=None, clips=3) for label in labels},
        slices=[
            SliceMetrics(
                feature="speaker",
                value=f"s{i} {SCRIPT}",
                headline=i / 50,
                interval=Interval(low=0.0, high=1.0),
                clips=4,
                is_small=True,
                difference=None,
            )
            for i in range(50)
        ],
        confusion=confusion.tolist(),
        labels=labels,
        generated=generated,
    )


def _counts(rows: list[Row]) -> SplitCounts:
    return SplitCounts.of(Counter((row.label, row.speaker) for row in rows), len(rows) * 0.5)


@dataclass(frozen=True)
class RunFiles:
    """Folders of a run, as artifacts hold them, without the SavedModel itself."""

    root: Path
    rows: dict[str, list[Row]]
    labels: list[str]

    def write_examples(self, record: Callable[[Row], bytes]) -> None:
        for split, rows in self.rows.items():
            folder = self.root / "examples" / f"Split-{split}"
            write_records(folder / "data_tfrecord-00000-of-00001", map(record, rows))


def write_run(
    root: Path,
    labels: list[str] = LABELS,
    clips: int = 40,
    generated: bool = False,
    clip_s: float = 0.5,
    named: tuple[list[str], list[str]] = ([], []),
) -> RunFiles:
    rows = {split: make_rows(split, clips, labels) for split in ("train", "eval", "test")}
    rejects = [
        Reject(id=f"r{i}", uri=f"bad/{SCRIPT}{i}.wav", reason="silent", detail=f"<b>{i}</b>")
        for i in range(8)
    ]
    ingest = IngestReport(
        rows=3 * clips + 8,
        generated=generated,
        split_by="clip",
        splits={split: _counts(of_split) for split, of_split in rows.items()},
        rejects={"silent": 8, "missing": 0},
    )
    certificate = SplitCertificate(
        clips=3 * clips,
        counts={"speaker": 0, "identical": 0, "near_duplicate": 30},
        leaks=[
            Leak(kind="near_duplicate", what=[f"{SCRIPT}{i} (train)", "b (test)"])
            for i in range(25)
        ],
        copies_within_splits=4,
        same_recording=0.95,
    )
    verdict = DataVerdict(
        rules=[Rule(name="drift", passed=True, message=f"{SCRIPT} moved")],
        drifts={"snr_db": 0.0625, SCRIPT: 0.25},
    )
    timings = [
        StepTiming(name="Prepare", seconds=4.0, is_reused=False),
        StepTiming(name="Trainer", seconds=120.5, is_reused=True),
    ]
    card = ModelCard(
        name="x",
        labels=labels,
        audio={"sample_rate": RATE, "clip_s": clip_s},
        frontend={},
        model={},
        parameters=1234,
        generated=generated,
        start=Start(weights="champion", message=f"from a model {SCRIPT}", champion="c"),
    )
    epochs = [
        {
            "epoch": i + 1,
            "loss": 2 / (i + 1),
            "metric": "accuracy",
            "value": 0.5,
            "val_loss": abs(i - 3) + 1.0,
            "val_value": 0.25,
            "learning_rate": 0.001,
            "seconds": 30.0,
        }
        for i in range(6)
    ]
    serving = ServingReport(
        passed=False, rules=[Rule(name="memory", passed=False, message=f"{SCRIPT} MB")], asked=9
    )
    scored.write(_make_scores(labels, rows["test"]), root / "scores", files=2)
    documents = {
        "ingest_report/report.json": ingest.model_dump_json(),
        "ingest_report/certificate.json": certificate.model_dump_json(),
        TIMINGS_FILE: f"[{','.join(step.model_dump_json() for step in timings)}]",
        "rejects/rejects.jsonl": "".join(r.model_dump_json() + "\n" for r in rejects),
        "data_verdict/data_verdict.json": verdict.model_dump_json(),
        "model/Format-Serving/assets.extra/auricle.json": card.model_dump_json(),
        "model_run/history.json": json.dumps(epochs),
        "infra_blessing/serving.json": serving.model_dump_json(),
        "blessing/verdict.json": make_verdict(labels, clips, generated, named).model_dump_json(),
    }
    for name, text in documents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    files = RunFiles(root, rows, labels)
    files.write_examples(Row.record)
    return files


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> RunFiles:
    """What `write_run` writes when asked for nothing else."""
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def run_files(tmp_path: Path) -> Callable[..., RunFiles]:
    """Writes a run's files below the test's folder; takes `write_run`'s other arguments."""

    def write(**kwargs: object) -> RunFiles:
        return write_run(tmp_path / "run", **kwargs)  # type: ignore[arg-type]

    return write


@pytest.fixture
def make_scores() -> Callable[[list[str], list[Row]], ClipScores]:
    return _make_scores


@pytest.fixture
def row() -> type[Row]:
    return Row


@pytest.fixture
def records_file(tmp_path: Path) -> Callable[[list[Row]], Path]:
    """Writes rows to a TFRecord file."""

    def write(rows: list[Row]) -> Path:
        return write_records(tmp_path / "data_tfrecord-0", (row.record(8) for row in rows))

    return write
