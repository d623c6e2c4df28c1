"""Ingest killed at random moments, then run again: identical bytes, nothing lost, nothing twice.

    python benchmarks/kills.py MANIFEST [--clips 8000] [--kills 30] [--seed 1]

Each time an ingest on two processes starts in an empty folder, is killed with SIGKILL between its
start and the end that an undisturbed one would have, and is run again. What it has written then is
compared with what an undisturbed ingest wrote.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ingest

PARTS = ("examples", "rejects", "report")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--into", type=Path, help="only ingest, into this folder")
    arguments = parser.parse_args()
    if arguments.into:
        print(ingest._ours(arguments.manifest, arguments.into, 2)())
        return
    moments = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        manifest = ingest.write_clips(arguments.manifest, folder / "data", arguments.clips, "wav")
        _ingest(manifest, folder / "reference")  # warms the disk's cache
        shutil.rmtree(folder / "reference")
        started = time.monotonic()
        _ingest(manifest, folder / "reference")
        seconds = time.monotonic() - started
        expected = _digests(folder / "reference")
        print(f"{len(expected)} files of {arguments.clips} clips in {seconds:.1f} s\n")
        print("| killed after, s | shards kept | identical |\n|---|---|---|")
        bad = 0
        for _ in range(arguments.kills):
            after = moments.uniform(0.0, seconds)
            kept, found = _killed(manifest, folder / "killed", after)
            bad += found != expected
            print(f"| {after:.1f} | {kept} | {'yes' if found == expected else 'NO'} |", flush=True)
    print(f"\n{arguments.kills - bad} of {arguments.kills} identical")
    sys.exit(bad > 0)


def _command(manifest: Path, out: Path) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-W", "ignore", __file__, str(manifest), "--into", str(out)]


def _ingest(manifest: Path, out: Path) -> None:
    subprocess.run(_command(manifest, out), check=True, stdout=subprocess.DEVNULL)


def _killed(manifest: Path, out: Path, after: float) -> tuple[int, dict[str, str]]:
    """How many shards the killed ingest had finished, and what the next one made of it."""
    shutil.rmtree(out, ignore_errors=True)
    process = subprocess.Popen(_command(manifest, out), stdout=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    process.wait()
    kept = len(list(out.glob("shards/*.jsonl")))
    _ingest(manifest, out)
    return kept, _digests(out)


def _digests(out: Path) -> dict[str, str]:
    files = [file for part in PARTS for file in sorted((out / part).rglob("*")) if file.is_file()]
    return {str(f.relative_to(out)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


if __name__ == "__main__":
    main()
