"""What steps on Vertex AI find of earlier runs, in the files of the run directory."""

import datetime
from pathlib import Path

import pytest
from pushed import make_card, make_verdict

from components.earlier import add_passed, blessed_before, passed_before
from components.model_gate.trace import add_trace
from components.storage.location import Location, location_of
from components.versions.ledger import write_ledger
from components.versions.manifest import digest_model
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.versions import Ledger, VersionRecord
from schemas.workflow.audio import Audio
from schemas.workflow.training import Earlier


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    return {"judgements": str(tmp_path / "j.jsonl"), "ledger": str(tmp_path / "versions.json")}


def judge(earlier: Earlier, model: Path, outcome: str = "blessed") -> None:
    verdict = make_verdict().model_copy(update={"outcome": outcome})
    blessing = f"{model}/blessing"
    add_trace(verdict, blessing, location_of(earlier["judgements"]), str(model))


def make_model(folder: Path, name: str, clip_s: float = 1.0) -> Path:
    card = make_card(audio={"sample_rate": 8000, "clip_s": clip_s})
    file = folder / name / "Format-Serving" / MODEL_CARD_FILE
    file.parent.mkdir(parents=True)
    file.write_text(card.model_dump_json())
    (file.parents[1] / "saved_model.pb").write_text(name)
    return folder / name


def test_there_is_nothing_at_first(earlier: Earlier) -> None:
    assert blessed_before(earlier) == ""


def test_the_newest_blessed_before_the_candidate(earlier: Earlier, tmp_path: Path) -> None:
    first, refused, second = (make_model(tmp_path, name) for name in ("a", "b", "c"))
    judge(earlier, first)
    judge(earlier, refused, "held")
    assert blessed_before(earlier) == str(first)
    judge(earlier, second)
    assert blessed_before(earlier) == str(second)
    # Judged again, under another gate: never against itself, nor against what came after it.
    assert blessed_before(earlier, candidate=str(second)) == str(first)
    assert blessed_before(earlier, candidate=str(first)) == ""
    assert blessed_before(earlier, candidate=str(tmp_path / "new")) == str(second)


def test_other_audio_is_no_start(earlier: Earlier, tmp_path: Path) -> None:
    judge(earlier, make_model(tmp_path, "a"))
    judge(earlier, make_model(tmp_path, "b", clip_s=2.0))
    audio = Audio(sample_rate=8000, clip_s=1.0)
    assert blessed_before(earlier, audio=audio) == str(tmp_path / "a")


def test_what_failed_or_was_deleted_is_passed_over(earlier: Earlier, tmp_path: Path) -> None:
    first, failed, deleted = (make_model(tmp_path, name) for name in ("a", "b", "c"))
    for model in (first, failed, deleted):
        judge(earlier, model)
    (deleted / "Format-Serving" / MODEL_CARD_FILE).unlink()
    assert blessed_before(earlier) == str(failed)
    record = VersionRecord(
        version=2,
        push_id="p",
        created=datetime.datetime.now(datetime.timezone.utc),
        model_digest=digest_model(failed / "Format-Serving"),
        content=2,
        failed="deaf",
    )
    write_ledger(Ledger(versions=[record]), Path(earlier["ledger"]))
    assert blessed_before(earlier) == str(first)


def test_data_is_compared_with_other_data(tmp_path: Path) -> None:
    file: Location = location_of(tmp_path / "passed.jsonl")
    assert passed_before(file, "data/1") == ""
    add_passed(file, "verdict/1", "data/1")
    add_passed(file, "verdict/2", "data/2")
    assert passed_before(file, "data/2") == "verdict/1"
    add_passed(file, "verdict/2-again", "data/2")  # a step that is tried again
    assert passed_before(file, "data/2") == "verdict/1"
    assert passed_before(file, "data/3") == "verdict/2-again"
