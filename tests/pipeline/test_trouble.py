"""Every command under trouble ends with an exit code that says whose it is, and in words.

"internal error" and a traceback are failed cells, whatever the trouble. By default each trouble
meets the commands that it concerns, and each kind of file of a run directory is cut short;
with AURICLE_TROUBLE=all every command meets every trouble, and every file every damage.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from trouble import DAMAGES, TROUBLES, Done, WarmProcess, can_mount, trouble_project

EVERYTHING = os.environ.get("AURICLE_TROUBLE") == "all"
DONE, NO_ANSWER, BAD_INPUT, STOPPED = 0, 1, 2, 3  # 1 also of a registry that does not answer
CLIP = "recordings/low-speaker0-0.wav"
LISTS = {  # commands that change nothing, in a few tenths of a second
    "rejects": "rejects workflow.yaml",
    "why": "why workflow.yaml",
    "runs": "runs workflow.yaml --json",
    "compare": "compare 1 2",
    "models": "models workflow.yaml",
    "clips": "feedback workflow.yaml --list",
    "decisions": "schedule workflow.yaml --log",
    "plan": "plan workflow.yaml",
    "traces": "forget workflow.yaml --speaker speaker0",
    "fetch": "fetch",
}
CHANGES = {
    "init": "init recordings --output new.yaml",
    "import": "import nemo recordings/manifest.jsonl --output new.jsonl",
    "export": "export workflow.yaml 1 exported",
    "rollback": "rollback workflow.yaml",
    "promote": "promote workflow.yaml 1",
    "remove": "feedback workflow.yaml --remove {feedback}",
    "forget": "forget workflow.yaml --speaker speaker0 --yes",
}
SLOW = {  # they load TensorFlow's models, or decode
    "predict": f"predict workflow.yaml {CLIP}",
    "explain": f"explain workflow.yaml {CLIP}",
    "feedback": f"feedback workflow.yaml {CLIP} --label low",
    "candidate": f"predict workflow.yaml {CLIP} --candidate",
    "once": "schedule workflow.yaml --once",
    "run": "run workflow.yaml",
}
COMMANDS = LISTS | CHANGES | SLOW
OUTPUT = ("closed output", "reader gone", "output full", "closed output and error")
DISK = ("disk almost full", "disk full", "no inodes", "read only")
STOPPED_EARLY = ("feedback", "once", "run")  # by trouble, before anything slow begins
WRITERS = ("init", "import", "export", "rollback", "plan", *STOPPED_EARLY)


def cells() -> Iterator[tuple[str, str]]:
    """(trouble, command)."""
    if EVERYTHING:
        yield from ((trouble, command) for trouble in TROUBLES for command in COMMANDS)
        return
    shown = ("plan", "models", "runs", "init", "rollback", "forget")
    yield from (("output full", command) for command in shown)
    for trouble in OUTPUT[:2]:
        yield from ((trouble, command) for command in ("plan", "rollback"))
    yield ("closed output and error", "rollback")
    yield from (("disk almost full", command) for command in CHANGES)
    yield from (("disk full", command) for command in ("import", "rollback", "run"))
    for trouble in DISK[2:]:
        yield from ((trouble, command) for command in WRITERS)
    yield from (("store held", command) for command in ("rollback", "forget"))
    yield from (("registry dead", command) for command in ("models", "rollback", "forget"))
    yield from (("small files", command) for command in ("forget", "export"))


READERS = ("rejects", "why", "compare", "clips", "decisions", "forget")
READ_KINDS = (  # of the files of a run directory, those that these commands read
    *("tones/workflow.json", "format.json", "versions.json", "seen.json", "history/*.json"),
    *("rejects/rejects.jsonl", "metadata.sqlite", "index-*.jsonl", "shards/*/*.tfrecord"),
    *("shards/*/*.jsonl", "feedback/manifest.jsonl", "decisions.jsonl", "scores/*/test*"),
    *("blessing/*/verdict.json", "verdict/*/FeatureStats.pb", "Split-train/data_tfrecord-*"),
    *("serving/*/assets.extra/manifest.json", "serving/*/saved_model.pb"),
)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    process = WarmProcess()
    yield process
    process.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trouble_project(tmp_path_factory.mktemp("trouble") / "project")


def words_of(command: str, project: Path) -> list[str]:
    clip = hashlib.sha256((project / CLIP).read_bytes()).hexdigest()
    return command.format(feedback=f"feedback-{clip[:16]}").split()


def check(done: Done, what: tuple[str, str]) -> None:
    codes = (DONE, BAD_INPUT, STOPPED)
    assert done.code in ((*codes, NO_ANSWER) if what[0] == "registry dead" else codes), (what, done)
    assert "internal error" not in done.err, (what, done)
    assert "Traceback" not in done.err, (what, done)


@pytest.mark.parametrize(("trouble", "command"), list(cells()))
def test_a_command_in_trouble(warm: WarmProcess, project: Path, trouble: str, command: str) -> None:
    if trouble in DISK and not can_mount():
        pytest.skip("no file system may be mounted here")
    done = warm.run(project, words_of(COMMANDS[command], project), trouble)
    check(done, (trouble, command))
    if trouble == "reader gone":  # as `head` does: it wanted no more
        assert "standard output" not in done.err
    elif trouble in OUTPUT:
        assert done.code in (BAD_INPUT, STOPPED)
        if trouble != "closed output and error":
            assert "standard output cannot be written" in done.err
    elif trouble in DISK and command in (*CHANGES, *STOPPED_EARLY, "plan"):
        if done.code == DONE:
            assert trouble == "disk almost full"  # and there was enough for this command
        else:
            words = {"read only": "Read-only file system"}.get(trouble, "space")
            assert words in done.err or "no inodes" in done.err, done
    elif trouble == "registry dead" and command != "models":
        assert "127.0.0.1:9" in done.out + done.err
        assert done.seconds < 15  # a rollback has five of its own; a busy machine the rest
    elif trouble == "store held":
        assert done.code == DONE
        if command in ("rollback", "forget"):  # which look into the store
            assert "held by another process; waiting" in done.first_line


def damaged_files(project: Path) -> list[str]:
    """Of the run directory, relative to the project: one of each kind that commands read, or all.

    The one of a kind is the last: of the newest run.
    """
    found: dict[str, str] = {}
    for file in sorted((project / "runs").rglob("*")):
        if file.is_file() and not file.name.endswith(".lock"):
            name = file.relative_to(project).as_posix()
            kind = next((kind for kind in READ_KINDS if file.match(kind)), "")
            if EVERYTHING or kind:
                found[name if EVERYTHING else kind] = name
    assert EVERYTHING or found.keys() == set(READ_KINDS)
    return list(found.values())


def test_a_damaged_file_of_the_run_directory(warm: WarmProcess, project: Path) -> None:
    """One test, since the files are known only where the project is."""
    names = COMMANDS.keys() - SLOW.keys() if EVERYTHING else READERS
    commands = [words_of(COMMANDS[name], project) for name in COMMANDS if name in names]
    faults = []
    for file in damaged_files(project):
        for damage in DAMAGES if EVERYTHING else ("cut",):
            for answer in warm.run_all(project, commands, damage, damaged=file):
                is_told = "internal error" not in answer.err and "Traceback" not in answer.err
                if answer.code not in (DONE, BAD_INPUT) or not is_told:
                    faults.append((file, damage, *answer))
    assert faults == []


def test_lists_of_a_folder_that_may_only_be_read(warm: WarmProcess, project: Path) -> None:
    if not can_mount():
        pytest.skip("no file system may be mounted here")
    commands = [words_of(command, project) for name, command in LISTS.items() if name != "plan"]
    answers = warm.run_all(project, commands, "read only")
    assert [answer for answer in answers if answer.code != DONE] == []


def test_lost_output_stops_nothing(warm: WarmProcess, project: Path) -> None:
    """The speaker is forgotten although nobody reads the list of their clips."""
    forget, traces = COMMANDS["forget"].split(), COMMANDS["traces"].split()
    done = warm.run(project, forget, "reader gone", then=traces)
    assert "speaker0 is forgotten already" in done.err


def test_no_trouble(warm: WarmProcess, project: Path) -> None:
    """So that what the table shows is of the trouble."""
    commands = [words_of(command, project) for command in (LISTS | CHANGES).values()]
    answers = warm.run_all(project, commands)
    # The version that a rollback serves again is what `promote` asks for.
    assert [a.command.split()[0] for a in answers if a.code != DONE] == ["promote"]
