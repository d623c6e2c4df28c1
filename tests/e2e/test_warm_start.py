"""A run that starts from the champion: with new recordings it does, unchanged it does nothing."""

import json
from pathlib import Path

import pytest
from e2e.running import run
from e2e.tiny import TINY, write_workflow
from emulators import Emulators

from components.storage.location import location_of
from pipeline.runs.result import RunResult
from schemas.reports.model_card import MODEL_CARD_FILE, ModelCard
from schemas.reports.training import Start

pytestmark = pytest.mark.e2e

TRAIN = TINY["train"] | {"epochs": 4, "learning_rate": 0.01}


def start_of(result: RunResult) -> Start:
    assert result.pushed_to is not None
    card = ModelCard.model_validate_json((location_of(result.pushed_to) / MODEL_CARD_FILE).read())
    assert card.start is not None
    return card.start


def drop_recordings(project: Path, take: int) -> None:
    """Takes the rows of one take out of the manifest: other examples."""
    manifest = project / "recordings" / "manifest.jsonl"
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    kept = [row for row in rows if not row["audio_filepath"].endswith(f"-{take}.wav")]
    assert len(kept) < len(rows)
    manifest.write_text("".join(json.dumps(row) + "\n" for row in kept))


def test_new_recordings_start_from_the_champion_and_nothing_new_does_nothing(
    project: Path, stores: Emulators
) -> None:
    """The run directory is of this machine, the models that it pushes are in a store."""
    push = {"directory": f"{stores.bucket('s3')}/served"}
    write_workflow(project, train=TRAIN | {"start": "champion"}, push=push)
    first = run(project)
    assert "no model was blessed before" in start_of(first).message
    assert run(project).ran == []  # its own model is blessed by now, and not started from

    drop_recordings(project, take=3)
    second = run(project)
    assert "Trainer" in second.ran
    start = start_of(second)
    ledger = json.loads((project / "runs" / "tones" / "versions.json").read_text())
    assert start.champion == ledger["versions"][0]["model_digest"]
    report = (project / "runs" / "tones" / "report.html").read_text()
    assert "from the weights of the last blessed model" in report

    # Other settings on the same recordings: from the champion before them again, not from its own.
    write_workflow(project, train=TRAIN | {"start": "champion", "seed": 3}, push=push)
    third = run(project)
    assert "AudioExampleGen" in third.reused
    newest = max((project / "runs/tones/artifacts/Trainer/model").iterdir(), key=_number)
    card = ModelCard.model_validate_json((newest / "Format-Serving" / MODEL_CARD_FILE).read_bytes())
    assert card.start is not None
    assert card.start.champion == start.champion


def _number(folder: Path) -> int:
    return int(folder.name)
