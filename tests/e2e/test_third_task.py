"""A task of another package from a manifest to a published version, and what is asked of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from e2e.running import run
from e2e.tiny import RATE, TINY, write_workflow
from third import TASK, installed

from pipeline.datasets.dry_run import make_plan
from pipeline.inference.predict import load_model
from pipeline.runs.compare import compare_runs
from pipeline.runs.records import list_records
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e

SPEAKERS = [f"s{number}" for number in range(10)]
LOWEST_HZ, HIGHEST_HZ = 300.0, 1800.0
SETTINGS = {
    "task": TASK,
    "data": TINY["data"]
    | {"split": {"eval_speakers": SPEAKERS[:2], "test_speakers": SPEAKERS[7:]}},
    "audio": {"sample_rate": RATE, "trim": False},
    "train": {"epochs": 40, "batch_size": 8, "learning_rate": 0.015, "patience": 40},
    "gate": {"at_most_db": 6.0, "slice_by": ["room"]},
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from installed(monkeypatch)


def tone(loudness_db: float, length_s: float) -> np.ndarray:
    """The louder, the higher: features that know no level tell how loud a clip was."""
    pitch_hz = LOWEST_HZ + (HIGHEST_HZ - LOWEST_HZ) * (loudness_db + 34) / 30
    time_s = np.arange(round(length_s * RATE)) / RATE
    return np.sqrt(2) * 10 ** (loudness_db / 20) * np.sin(2 * np.pi * pitch_hz * time_s)


def write_tones(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for speaker in SPEAKERS:
        for number in range(12):
            loudness_db = float(rng.uniform(-34, -4))
            name = f"{speaker}-{number}.wav"
            waveform = tone(loudness_db, rng.uniform(0.3, 0.9))
            soundfile.write(folder / name, waveform + rng.normal(0, 1e-4, len(waveform)), RATE)
            row = {"audio_filepath": name, "speaker": speaker, "room": "ab"[number % 2]}
            rows.append(row | {"loudness_db": loudness_db})
    rows += [{"audio_filepath": name}, {"audio_filepath": name, "loudness_db": "loud"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(lines)


def test_from_manifest_to_published_version(tmp_path: Path) -> None:
    write_tones(tmp_path / "recordings")
    write_workflow(tmp_path, **SETTINGS)
    project = read_project(tmp_path / "workflow.yaml")
    plan = make_plan(project)
    assert (plan.refused, plan.clips) == (None, 120)
    assert [reject.reason for reject in plan.rejects] == ["bad_row", "bad_row"]

    first = run(tmp_path)
    assert first.pushed_to == project.run_directory.serving.path / "1", first.record.verdict

    [record] = list_records(project)
    verdict = record.verdict
    assert (verdict.headline.name, verdict.headline.unit) == ("mean absolute error", "dB")
    assert verdict.headline.value < 6.0  # answering the mean of all clips makes 7.5
    assert [rule.name for rule in verdict.rules] == ["gate.at_most_db", "gate.slice_by: room"]
    assert {each.feature for each in verdict.slices} >= {"room", "speaker"}
    comparison = compare_runs(record, record)
    assert (comparison.unit, comparison.overall.clips) == ("dB", 36)

    model = load_model(project, version=1)
    assert (model.card.task, model.card.labels) == (TASK, [])
    soundfile.write(tmp_path / "asked.wav", tone(-10.0, 0.5), RATE)
    [answered] = model.predict([tmp_path / "asked.wav"]).files
    assert float(answered.answers[0].label.removesuffix(" dB")) == pytest.approx(-10, abs=8)
    report = project.run_directory.report.path.read_text()
    assert "Bias" in report
    assert "mean absolute error" in report
