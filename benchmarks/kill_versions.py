"""Commands killed at random moments: the next one finds a consistent state, and goes on from it.

    python benchmarks/kill_versions.py FOLDER [--kills 100] [--seed 1] [--aimed 0.5]

A small workflow (tones for words) in FOLDER. In turn a run, a push (a run of which only the end is
left to do), a rollback and a promotion are started, killed with SIGKILL between their start and the
end that an undisturbed one has, and followed by the same command. Then everything has to agree: the
newest folder of the serving directory is whole, ledger and registry say what it is, nothing
half-written lies about, and the command did what it is for. A reader looks every 50 ms. `--aimed`
kills within so many seconds of the first file of a new version instead: where most can go wrong.
"""

import argparse
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from mlflow import MlflowClient
from polling import reading

from components.versions.ledger import read_ledger
from components.versions.manifest import verify
from components.versions.serving import newest_version, pushed_versions
from pipeline.workspace.ownership import OWNER_FILE
from pipeline.workspace.paths import RunDirectory
from pipeline.workspace.project import read_project
from schemas.versions import Ledger

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from e2e.tiny import write_recordings, write_workflow

AURICLE = [sys.executable, "-W", "ignore", "-c", "from pipeline.cli import main; main()"]


@dataclass
class Bench:
    """The workflow file and what the next run changes in it, so that there is something to push."""

    file: Path
    directory: RunDirectory
    changes: int = 0

    def change(self, key: str) -> None:
        """Another value of `train.<key>`: a new training, or, of `gate`, a new push only."""
        self.changes += 1
        workflow = yaml.safe_load(self.file.read_text())
        if key == "seed":
            workflow["train"]["seed"] = self.changes
        else:
            workflow["gate"] = {"confidence": round(0.9 + 0.0001 * self.changes, 4)}
        self.file.write_text(yaml.safe_dump(workflow))

    def ledger(self) -> Ledger:
        return read_ledger(self.directory.ledger)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--aimed", type=float)
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True)
    write_recordings(folder / "recordings")
    file = write_workflow(folder, registry={})
    bench = Bench(file, read_project(file).run_directory)
    for _ in range(2):  # two versions to begin with
        bench.change("seed")
        _finish(bench, ["run"])
    lasts = {name: _measure(bench, name) for name in KINDS}
    moments = random.Random(arguments.seed)
    print("| | command | killed after, s | what the same command mended | agrees |")
    print("|---|---|---|---|---|")
    bad = 0
    with reading(bench.directory.serving.path, _whole_is_enough) as reader:
        for number in range(arguments.kills):
            name = TURNS[number % len(TURNS)]
            after = moments.uniform(0.0, arguments.aimed or lasts[name])
            bad += not _kill(bench, number, name, after, is_aimed=arguments.aimed is not None)
    print(f"\n{arguments.kills - bad} of {arguments.kills} agree; the reader: {reader}")
    sys.exit(bool(bad or reader.wrong))


def _whole_is_enough(version: Path) -> str:
    return ""


def _run(bench: Bench) -> list[str]:
    bench.change("seed")
    return ["run"]


def _push(bench: Bench) -> list[str]:
    bench.change("gate")
    return ["run"]


def _roll_back(bench: Bench) -> list[str]:
    return ["rollback", "--reason", "benchmark"]


def _promote(bench: Bench) -> list[str]:
    ledger = bench.ledger()
    assert ledger.champion is not None
    content = ledger.champion.content
    there = [r.version for r in ledger.versions if r.is_there and r.content != content]
    return ["promote", "--force", str(there[-1])]


KINDS: dict[str, Callable[[Bench], list[str]]] = {
    "run": _run,
    "push": _push,
    "rollback": _roll_back,
    "promote": _promote,
}
_MENDED = ("  - finished", "  - removed what a killed")
TURNS = ("run", "push", "rollback", "promote", "push", "promote", "rollback", "promote")


def _measure(bench: Bench, name: str) -> float:
    started = time.monotonic()
    _finish(bench, KINDS[name](bench))
    return time.monotonic() - started


def _finish(bench: Bench, command: list[str]) -> str:
    done = subprocess.run(_arguments(bench, command), capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else done.stdout


def _arguments(bench: Bench, command: list[str]) -> list[str]:
    name, *rest = command
    options = [each for each in rest if not each.isdecimal()]
    return [*AURICLE, name, str(bench.file), *(r for r in rest if r.isdecimal()), *options]


def _kill(bench: Bench, number: int, name: str, after: float, *, is_aimed: bool) -> bool:
    if name == "rollback" and bench.ledger().previous is None:
        _finish(bench, _run(bench))  # something to go back from
    before = bench.ledger()
    command = KINDS[name](bench)
    process = subprocess.Popen(
        _arguments(bench, command), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    if is_aimed:
        _wait_for_a_version(bench.directory.serving.path, process)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    # A rollback that had said what it did was over: to give it again is to go back once more.
    was_over = "Serving the model" in process.communicate()[0]
    said = _finish(bench, command)
    problem = disagreement(bench, before)
    if not problem and not was_over:
        problem = _went_too_far(bench, name, before)
    mended = [line.strip(" -") for line in said.splitlines() if line.startswith(_MENDED)]
    verdict = "yes" if not problem else f"NO: {problem}; {said[-200:]}"
    print(f"| {number} | {name} | {after:.1f} | {'; '.join(mended)} | {verdict} |", flush=True)
    return not problem


def _wait_for_a_version(serving: Path, process: "subprocess.Popen[str]") -> None:
    """Until the first file of a new version is written, or the process ends."""
    while process.poll() is None:
        if any(True for incoming in serving.glob(".incoming-*") for _ in incoming.glob("*")):
            return
        time.sleep(0.001)


def disagreement(bench: Bench, before: Ledger) -> str:
    """What does not agree; empty where all does."""
    serving = bench.directory.serving.path
    known = {OWNER_FILE, f".{OWNER_FILE}.lock"}
    names = {path.name for path in serving.iterdir()} - known
    if leftovers := [name for name in sorted(names) if not name.isdecimal()]:
        return f"left over: {leftovers}"
    for version in pushed_versions(serving):
        verify(version.folder)
    ledger, newest = bench.ledger(), newest_version(serving)
    champion = ledger.champion
    if newest is None or champion is None or champion.version != newest.number:
        return f"served is {newest}, the ledger says {champion}"
    if champion.version <= (before.champion.version if before.champion else 0):
        return "nothing new is served"
    client = MlflowClient(f"sqlite:///{bench.directory.local}/registry.sqlite")
    aliases = client.get_registered_model("tones").aliases
    registered = {name: str(entry) for name, entry in aliases.items()}
    wanted = {"champion": champion, "previous": ledger.previous, "candidate": ledger.candidate}
    expected = {name: record.entry for name, record in wanted.items() if record and record.entry}
    if registered != expected:
        return f"the registry says {registered}, the ledger {expected}"
    entries = [r.entry for r in ledger.versions if r.entry]
    made = client.search_model_versions("name = 'tones'", max_results=1000)
    if len(entries) != len(set(entries)) or len(made) != len(entries):
        return f"{len(made)} entries for {len(entries)} versions"
    return ""


def _went_too_far(bench: Bench, name: str, before: Ledger) -> str:
    """Whether a rollback that was started twice went back two versions."""
    champion, previous = bench.ledger().champion, before.previous
    if name != "rollback" or champion is None or previous is None:
        return ""
    if champion.content == previous.content:
        return ""
    return f"went back to {champion.content}, not to {previous.content}"


if __name__ == "__main__":
    main()
