"""Odd and broken files from the tests of other libraries, each with its right verdict."""

import csv
from pathlib import Path

from components.audio.decode import decode
from schemas.errors import ClipError
from schemas.workflow.audio import Audio

EXPECTED = Path(__file__).with_name("hard_files.csv")


def verdict(path: Path) -> dict[str, str]:
    try:
        clip = decode(path.read_bytes(), 16000).checked(Audio())
    except ClipError as error:
        return {"reason": error.reason, "rate_hz": "", "channels": "", "samples": ""}
    return {
        "reason": "",
        "rate_hz": str(clip.source_rate_hz),
        "channels": str(clip.source_channels),
        "samples": str(len(clip.waveform)),
    }


def test_every_hard_file_has_its_verdict(shared_data: Path) -> None:
    hard = shared_data / "hard"
    with EXPECTED.open(newline="") as file:
        expected = {row.pop("file"): row for row in csv.DictReader(file)}
    with (hard / "manifest.csv").open(newline="") as file:
        files = {row["path"] for row in csv.DictReader(file)}
    assert files == expected.keys()
    found = {name: verdict(hard / name) for name in files}
    assert found == expected
