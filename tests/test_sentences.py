"""What a person reads, as a whole: every sentence that other tests do not look at word by word.

`sentences.txt` holds what the functions say in situations that stand here and in the modules of
made-up data beside it. Whoever changes a sentence on purpose rewrites it and reads the difference:

    python tests/test_sentences.py && git diff tests/sentences.txt
"""

import datetime
import difflib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keywords
import numpy as np
import scored
from data_findings import BAD, findings
from pushed import make_version
from seen import NOW, WORKFLOW, add_span, finish_run, make_workflow
from wrong_workflows import COMBINATIONS, KEYS_AND_VALUES, SOURCES_AND_SPLITS

from components.data_gate.rules import check, stopped_because
from components.evaluation.scores import ClipScores
from components.example_gen.sources import list_utterances
from components.model_gate.decision import decide
from components.tasks.classify.config import Gate
from components.versions.ledger import follow, write_ledger
from pipeline import notifications
from pipeline.config.loader import read_workflow
from pipeline.releases.reconcile import reconcile
from pipeline.releases.rollout import export, list_versions, promote, roll_back
from pipeline.scheduling.triggers import check_triggers
from pipeline.workspace.lock import claim
from pipeline.workspace.ownership import own_serving
from pipeline.workspace.project import Project
from schemas.errors import (
    AuricleError,
    DataGateError,
    InputError,
    RunDirectoryError,
    VersionError,
    WorkflowError,
)
from schemas.versions import Ledger
from schemas.workflow.data import Data
from schemas.workflow.data_gate import DataGate

GOLDEN = Path(__file__).with_name("sentences.txt")
Said = Iterator[tuple[str, str]]  # situation, what is said of it


def refused_workflows(folder: Path) -> Said:
    file = folder / "workflow.yaml"
    for text in (*KEYS_AND_VALUES, *SOURCES_AND_SPLITS, *COMBINATIONS):
        file.write_text(text)
        try:
            read_workflow(file)
        except WorkflowError as error:
            yield text, str(error).replace(f"{folder}/", "")


def no_workflows(folder: Path) -> Said:
    file = folder / "workflow.yaml"
    (folder / "digits.yaml").touch()
    contents = {
        "an empty file": b"",
        "one value": b"just words\n",
        "a list": b"\n- name: x\n",
        "a tab": b"name: x\ndata:\n\tfolder: a\n",
        "an open list": b"name: [x\ndata: 3\n",
        "two documents": b"name: x\n--- \nname: y\n",
        "an alias": b"name: &a x\ndata: {folder: *a}\n",
        "a recording": b"RIFF\x24\x00\x00\x00WAVEfmt ",
        "a compressed recording": b"\xff\xfbm\xc3p3",
        "blocks without end": b"[" * 100_000,
        "a megabyte": b"a:\n" + b" " * (1 << 20),
    }
    for situation, content in contents.items():
        file.write_bytes(content)
        yield situation, refusal_of(file).replace(f"{folder}/", "")
    yield "a missing file", refusal_of(folder / "digit.yaml").replace(str(folder), "FOLDER")
    yield "a folder", refusal_of(folder).replace(str(folder), "FOLDER")


def refusal_of(file: Path) -> str:
    try:
        read_workflow(file)
    except InputError as error:
        return str(error)
    raise AssertionError(f"{file} was read")


def data_gate(folder: Path) -> Said:
    yield "good data", "\n".join(f"{r.name}: {r.message}" for r in check(DataGate(), findings()))
    for situation, found in BAD.items():
        yield situation, stopped_because(check(DataGate(min_speakers_per_class=2), found)) or "held"


def model_gate(folder: Path) -> Said:
    """Ways to be right on some clips of `no`, with the settings of a gate."""
    floor: dict[str, object] = {"at_least": 0.9}
    paired: dict[str, object] = {"no_worse_by_more_than": 0.005}
    by_speaker: dict[str, object] = floor | {"slices": ["speaker"]}
    yield "no rule", reasons({"": (1, 10)}, {})
    yield "above the floor", reasons({"": (97, 100)}, floor)
    yield "below the floor", reasons({"": (800, 1000)}, floor)
    yield "too few to tell", reasons({"": (20, 20)}, floor)
    yield "a failing speaker", reasons({"ann": (999, 1000), "theo": (71, 100)}, by_speaker)
    yield "a speaker of few clips", reasons({"ann": (999, 1000), "zoe": (3, 3)}, by_speaker)
    yield "all speakers reach it", reasons({"ann": (99, 100), "theo": (100, 100)}, by_speaker)
    yield "a slice no clip has", reasons({"": (99, 100)}, floor | {"slices": ["room"]})
    yield (
        "slices and clips without one",
        reasons({"": (98, 100), "theo": (100, 100)}, floor | {"slices": ["speaker", "label"]}),
    )
    yield "rounding hides nothing", reasons({"": (94_999, 100_000)}, {"at_least": 0.95})
    yield "no model before", reasons({"": (1, 10)}, paired)
    for ours, theirs in ((2000, 2000), (1990, 1950), (1900, 1950), (1985, 2000)):
        situation = f"{ours} right, {theirs} by the last blessed model"
        yield situation, reasons({"": (ours, 2000)}, paired, baseline=theirs)


def odd_tables(folder: Path) -> Said:
    """Tables of scores that a gate cannot take as they are, or that have more than scores."""
    no_numbers = answered([0] * 10)
    no_numbers.scores[3] = np.nan
    ten = ["no"] * 10
    yield (
        "scores that are no numbers",
        verdict_on(scored.table(range(10), ten, candidate=no_numbers)),
    )
    untaught = scored.table(range(11), [*ten, "zebra"], candidate=answered([0] * 11))
    yield "a label that was not taught", verdict_on(untaught)
    text = scored.table(range(10), ten, unsliced={"text": 10_000}, candidate=answered([0] * 10))
    yield "too many values", verdict_on(text, {"at_least": 0.5, "slices": ["text"]})
    before = scored.Answered(np.array(["up", "down"]), answered([0] * 10).scores)
    unlike = scored.table(range(10), ten, candidate=answered([0] * 10), baseline=before)
    yield "no label in common", verdict_on(unlike, {"no_worse_by_more_than": 0.0})
    for answers in ([0, 0, 0], [0, 1, 1]):
        hard = scored.table(
            range(13),
            ["no"] * 13,
            features={"must_pass": np.array([""] * 10 + ["true"] * 3)},
            candidate=answered([0] * 10 + answers),
        )
        yield f"must pass, {sum(answers)} of 3 wrong", verdict_on(hard)


def reasons(
    right: dict[str, tuple[int, int]], accuracy: dict[str, object], baseline: int | None = None
) -> str:
    """What is said of speakers with so many right of so many clips."""
    answers = [n for r, clips in right.values() for n in [0] * r + [1] * (clips - r)]
    names = [name for name, (_, clips) in right.items() for _ in range(clips)]
    before = None if baseline is None else [0] * baseline + [1] * (len(answers) - baseline)
    scores = scored.table(
        [f"clip{n}" for n in range(len(answers))],
        ["no"] * len(answers),
        features={"speaker": np.array(names, np.str_)} if len(right) > 1 else {},
        candidate=answered(answers),
        baseline=None if before is None else answered(before),
    )
    return verdict_on(scores, accuracy)


def verdict_on(scores: ClipScores, accuracy: dict[str, object] | None = None) -> str:
    case = scored.case(scores, confidence=0.95)
    verdict = decide(
        case,
        scores,
        task="classify",
        settings=Gate.model_validate({"accuracy": accuracy or {}}).model_dump_json(),
        baseline=case.scores.baseline and scored.tallies(case.scores, case.scores.baseline),
    )
    return "\n".join([verdict.outcome, *verdict.reasons])


def answered(answers: list[int]) -> scored.Answered:
    return scored.Answered(np.array(["no", "yes"]), np.eye(2, dtype=np.float32)[answers])


def keyword_gate(folder: Path) -> Said:
    """A threshold chosen on 10 hours and measured on 10 others, with limits of false rejects."""
    enough = [0.95] * 10 + [0.5]
    cases = {
        "few false alarms": (keywords.clips([0.9] * 300), [enough, [0.96] * 2]),
        "many false alarms": (keywords.clips([0.9] * 300), [enough, [0.96] * 40]),
        "too many words missed": (keywords.clips([0.9] * 100 + [0.3] * 100), [enough, []]),
        "too few words to tell": (keywords.clips([0.9] * 9 + [0.3]), [enough, []]),
        "no words": (keywords.clips([], unknown=4), [enough, []]),
    }
    for situation, (scores, alarms) in cases.items():
        background = keywords.background(10.0, *alarms)
        verdict = keywords.verdict_on(scores, background, false_rejects={"at_most": 0.1})
        yield situation, "\n".join([verdict.outcome, *verdict.reasons])


def rows(folder: Path) -> Said:
    """Why rows of a manifest are rejected before anything is decoded."""
    (folder / "a.wav").write_bytes(b"RIFF")
    good = {"audio_filepath": "a.wav", "label": "yes"}
    odd: dict[str, object] = {
        "no label": {"audio_filepath": "a.wav"},
        "a label that is a list": good | {"label": ["yes"]},
        "another label": good | {"label": "yess"},
        "no file": good | {"audio_filepath": "gone.wav"},
        "a folder": good | {"audio_filepath": "."},
        "a file outside": good | {"audio_filepath": "../b.wav"},
        "a negative offset": good | {"offset": -1},
        "no length": good | {"duration": 0},
        "an unknown split": good | {"split": "dev-clean"},
        "the same row again": good,
        "a list": [1],
    }
    lines = [json.dumps(good), *map(json.dumps, odd.values()), "{"]
    (folder / "manifest.jsonl").write_text("\n".join(lines))
    data = Data(manifests="manifest.jsonl", labels=["yes", "no"])
    for reject in list_utterances(data, folder).rejects:
        yield f"{reject.reason} {reject.id}", reject.detail.replace(str(folder), "FOLDER")


def versions(folder: Path) -> Said:
    """Steps along the versions that are refused, and what the next command says of a kill."""
    project = Project(make_workflow(registry={"kind": "none"}), folder)

    def refusal(situation: str, step: Callable[[], object]) -> tuple[str, str]:
        try:
            step()
        except VersionError as error:
            return situation, str(error).replace(str(folder), "FOLDER")
        raise AssertionError(situation)

    yield refusal("nothing published yet", lambda: list_versions(project))
    serving = project.run_directory.serving
    with claim(project):
        make_version(serving, "a")
        yield "a push that was killed after the version was there", "\n".join(reconcile(project))
    yield refusal("nothing to roll back to", lambda: roll_back(project, "worse"))
    yield refusal("a version that never was", lambda: promote(project, 7))
    yield refusal("the version that is served", lambda: promote(project, 1))
    make_version(serving, "b")
    roll_back(project, "too noisy")
    yield refusal("a version that failed", lambda: promote(project, 2))
    (serving / "1" / "saved_model.pb").put(b"another")
    (serving / "1" / "strange").put(b"")
    yield refusal("a version that was changed", lambda: export(project, 1, folder / "out"))


def owners(folder: Path) -> Said:
    """Whose a run directory and a serving directory are."""
    registry, push = {"kind": "none"}, {"directory": str(folder / "served")}
    digits = Project(make_workflow(registry=registry, push=push), folder / "one")
    words = Project(digits.workflow.model_copy(update={"name": "words"}), folder / "two")
    served, directory = folder / "served", digits.run_directory

    def refusal(situation: str, project: Project) -> tuple[str, str]:
        try:
            with claim(project):
                own_serving(project)
        except RunDirectoryError as error:
            return situation, str(error).replace(str(folder), "FOLDER")
        raise AssertionError(situation)

    make_version(served, "a")
    yield refusal("versions of another workflow from before", words)
    with claim(digits):
        own_serving(digits)
    yield refusal("another workflow's serving directory", words)
    shutil.copytree(folder / "one", folder / "copy")
    yield refusal("a copy of the run directory", Project(digits.workflow, folder / "copy"))
    (served / "owner.json").write_text("{")
    yield refusal("a damaged owner", digits)
    (directory.local / "workflow.json").write_text("{")
    yield refusal("a damaged workflow.json", digits)
    (directory.local / "workflow.json").write_text('{"name": "words"}')
    yield refusal("another workflow's run directory", digits)
    directory.format.path.write_text("")
    yield refusal("a damaged format", digits)
    directory.format.path.unlink()
    directory.told.path.mkdir()
    yield refusal("a folder in a file's place", digits)


def triggers(folder: Path) -> Said:
    def look(situation: str, days: float = 0.0, **blocks: dict[str, object]) -> tuple[str, str]:
        workflow = make_workflow(**blocks) if blocks else WORKFLOW
        news = check_triggers(Project(workflow, folder), NOW + datetime.timedelta(days=days))
        return situation, "\n".join([f"train: {news.train}".lower(), *news.reasons])

    add_span(folder, 1)
    yield look("no run yet")
    directory = finish_run(Project(WORKFLOW, folder))
    yield look("nothing new")
    (folder / "data/1/copy").write_bytes((folder / "data/1/manifest.jsonl").read_bytes())
    (folder / "data/1/3.wav").touch()
    yield look("touched files")
    yield look("an old model", days=31, schedule={"max_age_days": 30.0})
    yield look("changed settings", model={"units": 64})
    add_span(folder, 2)
    yield look("a new span")
    yield look("too little of it", schedule={"min_new_clips": 9})
    (folder / "data/1/3.wav").unlink()
    yield look("a clip gone")
    make_version(directory.serving, "a")
    ledger, _ = follow(Ledger(), directory.serving)
    write_ledger(ledger.changed(1, replace="holds recordings of a speaker"), directory.ledger)
    yield look("a version to be replaced")


def messages(folder: Path) -> Said:
    yield "a test", notifications.trial_event(WORKFLOW).text
    for error in (AuricleError("no\nluck"), DataGateError("too few clips"), ValueError("odd")):
        yield type(error).__name__, notifications.failure_event(WORKFLOW, error).text


SECTIONS = {
    "Workflow files with wrong keys": refused_workflows,
    "Files that are no workflow": no_workflows,
    "Data gate": data_gate,
    "Model gate": model_gate,
    "Model gate, odd tables": odd_tables,
    "Keyword gate": keyword_gate,
    "Rejected rows": rows,
    "Versions": versions,
    "Owners": owners,
    "Reasons to train": triggers,
    "Messages": messages,
}


def render(folder: Path) -> str:
    """All sections, each in a folder of its own."""
    text = ""
    for title, section in SECTIONS.items():
        own = folder / title.replace(" ", "-")
        own.mkdir()
        text += f"# {title}\n\n"
        for situation, said in section(own):
            lines = [line.rstrip() for line in said.splitlines()]
            situation = " / ".join(situation.rstrip().splitlines())
            text += f"{situation}\n" + "".join(f"    {line}\n" for line in lines) + "\n"
    return text


def test_sentences_are_those_that_were_read_and_agreed_on(tmp_path: Path) -> None:
    found, agreed = render(tmp_path).splitlines(), GOLDEN.read_text().splitlines()
    assert "\n".join(difflib.unified_diff(agreed, found, "agreed", "now", lineterm="")) == ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        GOLDEN.write_text(render(Path(scratch)))
