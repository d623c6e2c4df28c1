"""Short runs of the benchmarks that are checks as well."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_damaged_files_become_clips_or_rejects():
    pytest.importorskip("av", reason="needs the extra auricle[ffmpeg]")
    command = [sys.executable, str(BENCHMARKS / "fuzz_decode.py"), "--files", "10000"]
    # Another seed than the million files have.
    run = subprocess.run([*command, "--seed", "2"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "10000 of 10000 files" in run.stdout
