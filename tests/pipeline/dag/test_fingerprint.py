"""A component's fingerprint changes with the code it reaches and the versions behind it alone."""

import ast
import importlib.metadata
import re
import shutil
from pathlib import Path

import pytest

import pipeline.dag.fingerprint as fingerprint
from pipeline.dag.fingerprint import (
    DEPENDENCES,
    OWN_PACKAGES,
    ROOT,
    code_closure,
    component_fingerprint,
    shards_fingerprint,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for package in OWN_PACKAGES:
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def fingerprints(root: Path) -> dict[str, str]:
    found = {name: component_fingerprint(name, root=root) for name in DEPENDENCES}
    return found | {"shards": shards_fingerprint(root)}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def docstrings(file: Path) -> list[tuple[int, int]]:
    """First line and the line after the last of each docstring, counted from 0."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, documented)]
    found = [node.body[0] for node in nodes if ast.get_docstring(node)]
    return [(each.lineno - 1, each.end_lineno or 0) for each in found]


def test_a_fresh_checkout_has_the_same_fingerprints(checkout: Path) -> None:
    assert fingerprints(checkout) == fingerprints(ROOT)


@pytest.mark.parametrize(
    ("file", "redone"),
    [
        (
            "components/audio/condition.py",
            {"shards", "AudioExampleGen", "Trainer", "ServingCheck"},
        ),
        (
            "components/audio/mel.py",
            {"shards", "AudioExampleGen", "Trainer", "ServingCheck", "Report"},
        ),
        ("components/tasks/spot/stream_scoring.py", set()),
        ("components/tasks/classify/gate.py", {"ModelGate"}),
        ("components/tasks/classify/report.py", {"Report"}),
        ("components/tasks/classify/templates/scores.html.jinja", {"Report"}),
        ("components/tasks/classify/card.py", {"Pusher"}),
        ("components/models/frontends.py", {"Trainer"}),
        ("components/models/augmentation.py", {"Trainer"}),  # two imports away
        ("components/trainer/dataset.py", {"Trainer"}),
        ("components/pusher/executor.py", {"Pusher"}),
        ("components/model_gate/decision.py", {"ModelGate"}),
        ("components/report/templates/report.html.jinja", {"Report"}),
        ("components/pages/drawing.py", {"Report"}),
        ("components/evaluation/slices.py", {"Evaluator"}),
        ("components/explanation/attribution.py", {"Report"}),
        ("components/serving_check/client.py", {"ServingCheck"}),
        (
            "schemas/tfrecord.py",
            {"shards", "AudioExampleGen", "StatisticsGen", "Evaluator", "ServingCheck", "Report"},
        ),
        ("components/data_gate/rules.py", {"DataGate"}),
        (
            "schemas/errors.py",
            {
                *("shards", "AudioExampleGen", "StatisticsGen", "DataGate", "Trainer", "Evaluator"),
                *("ModelGate", "ServingCheck", "Pusher", "Report"),
            },
        ),
        ("pipeline/cli/runs.py", set()),
        ("README.md", set()),
    ],
)
def test_an_edit_redoes_what_can_reach_it(checkout: Path, file: str, redone: set[str]) -> None:
    before = fingerprints(checkout)
    with (checkout / file).open("a") as edited:
        edited.write("\nEDITED = 1\n")
    assert changed(before, fingerprints(checkout)) == redone


def test_an_edit_of_a_task_redoes_its_workflows_alone(checkout: Path) -> None:
    def of_spotters() -> dict[str, str]:
        return {
            name: component_fingerprint(name, root=checkout, task="spot") for name in DEPENDENCES
        }

    before = fingerprints(checkout), of_spotters()
    for part, redone in (("stream_scoring", {"Evaluator"}), ("card", {"Pusher"})):
        with (checkout / f"components/tasks/spot/{part}.py").open("a") as edited:
            edited.write("\nEDITED = 1\n")
        after = of_spotters()
        assert changed(before[1], after) >= redone
    assert changed(before[1], after) <= {"Evaluator", "ModelGate", "Report", "Pusher"}
    assert fingerprints(checkout) == before[0]


def test_comments_docstrings_and_descriptions_redo_nothing(checkout: Path) -> None:
    before = fingerprints(checkout)
    for package in OWN_PACKAGES:
        for file in (checkout / package).rglob("*.py"):
            lines = file.read_text().splitlines()
            for start, end in sorted(docstrings(file), reverse=True):
                indent = re.match(" *", lines[start])[0]  # type: ignore[index]
                lines[start:end] = [f'{indent}"""Other words."""', f"{indent}# and a comment"]
            file.write_text("\n".join(lines) + "\n")
    block = checkout / "schemas" / "workflow" / "audio.py"
    block.write_text(block.read_text().replace('description="', 'description="now '))
    assert changed(before, fingerprints(checkout)) == set()


@pytest.mark.parametrize(
    "file",
    [
        *("schemas/workflow/notify.py", "schemas/workflow/schedule.py", "schemas/cron.py"),
        *("schemas/workflow/conflicts.py", "schemas/workflow/run.py"),
        *("schemas/reports/verdict.py", "schemas/reports/serving.py"),
        *("schemas/reports/step_timings.py", "schemas/reports/data_verdict.py"),
    ],
)
def test_what_says_when_and_whom_and_how_it_is_shown_ingests_and_trains_nothing(
    checkout: Path, file: str
) -> None:
    before = fingerprints(checkout)
    with (checkout / file).open("a") as edited:
        edited.write("\nEDITED = 1\n")
    assert not changed(before, fingerprints(checkout)) & {"shards", "AudioExampleGen", "Trainer"}


def test_a_constant_of_the_audio_path_ingests_again(checkout: Path) -> None:
    before = fingerprints(checkout)
    file = checkout / "components" / "audio" / "condition.py"
    file.write_text(file.read_text().replace("HANGOVER_MS = 80.0", "HANGOVER_MS = 90.0"))
    # The model conditions what it is asked, and the check compares that with ingest.
    redone = {"shards", "AudioExampleGen", "Trainer", "ServingCheck"}
    assert changed(before, fingerprints(checkout)) == redone


@pytest.mark.parametrize(
    ("library", "some_redone"),
    [
        ("keras", {"Trainer"}),
        ("soxr", {"AudioExampleGen"}),
        ("tensorflow-model-analysis", {"Evaluator", "ModelGate"}),
        ("jinja2", {"Report"}),
        ("ruff", set()),
    ],
)
def test_a_library_version_redoes_what_uses_it(
    monkeypatch: pytest.MonkeyPatch, library: str, some_redone: set[str]
) -> None:
    before = fingerprints(ROOT)
    real = fingerprint.installed_version
    monkeypatch.setattr(
        fingerprint, "installed_version", lambda name: "0.0" if name == library else real(name)
    )
    assert changed(before, fingerprints(ROOT)) >= some_redone
    assert bool(changed(before, fingerprints(ROOT))) == bool(some_redone)


def test_every_import_is_a_known_distribution() -> None:
    for dependence in DEPENDENCES.values():
        for library in code_closure(dependence.modules)[1] | set(dependence.libraries):
            importlib.metadata.version(library)  # raises where the name is not a distribution


def test_relative_and_late_imports_are_followed(tmp_path: Path) -> None:
    package = tmp_path / "components" / "step"
    package.mkdir(parents=True)
    (tmp_path / "components" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "a.py").write_text("def f():\n    from . import b\n    import numpy.linalg\n")
    (package / "b.py").write_text("from ..step.c import name\n")
    (package / "c.py").write_text("import os\nname = 1\n")
    files, libraries = code_closure(["components.step.a"], tmp_path)
    assert {p.name for p in files} == {"__init__.py", "a.py", "b.py", "c.py"}
    assert libraries == {"numpy"}
