"""Edits of a whole workflow: what an edit can reach is made again, all else is reused.

One edit of each kind; `pipeline/dag/test_fingerprint.py` has many of code, `test_cache.py` beside
it of files, and `components/example_gen/test_index.py` of recordings and manifests.
"""

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from e2e.tiny import TINY, write_workflow

import pipeline.dag.data_schema as data_schema
import pipeline.runners.local as local
from pipeline.dag.fingerprint import (
    DEPENDENCES,
    OWN_PACKAGES,
    ROOT,
    component_fingerprint,
    shards_fingerprint,
)
from pipeline.workspace.project import read_project

pytestmark = pytest.mark.e2e

REPORT = {"Report"}
PUSHER = {"Pusher", *REPORT}
SERVING_CHECK = {"ServingCheck", *PUSHER}
MODEL_GATE = {"ModelGate", *SERVING_CHECK}
EVALUATOR = {"Evaluator", *MODEL_GATE}
TRAINER = {"Trainer", *EVALUATOR}
DATA_GATE = {"DataGate", *REPORT}
SCHEMA = {"ImportSchemaGen", "ExampleValidator", *DATA_GATE, *TRAINER}
ALL_BUT_SCHEMA = {
    "AudioExampleGen", "StatisticsGen", "ExampleValidator", *DATA_GATE, *TRAINER
}  # fmt: skip


class Checkout:
    """A project, and a checkout of ours whose files can be edited."""

    def __init__(self, project: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.code = checkout
        for package in OWN_PACKAGES:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, checkout / package, ignore=ignored)
        monkeypatch.setattr(
            local,
            "component_fingerprint",
            functools.partial(component_fingerprint, root=checkout),
        )
        monkeypatch.setattr(
            local, "shards_fingerprint", functools.partial(shards_fingerprint, root=checkout)
        )
        monkeypatch.setattr(data_schema, "SCHEMA_FILE", checkout / "schemas" / "utterance.pbtxt")

    def ran(self) -> set[str]:
        result = local.run_workflow(read_project(self.project / "workflow.yaml"))
        assert result.ran or result.reused
        return set(result.ran)

    @property
    def shards(self) -> Path:
        return self.project / "runs" / TINY["name"] / "shards"

    def artifact(self, component: str, output: str, pattern: str) -> Path:
        """The first file of the newest artifact of one output."""
        root = self.project / "runs" / TINY["name"] / "artifacts" / component / output
        newest = max(root.iterdir(), key=lambda folder: int(folder.name))
        return min(path for path in newest.rglob(pattern) if path.is_file())


def edited(file: str, text: str = "EDITED = 1\n") -> Callable[[Checkout], Any]:
    def edit(checkout: Checkout) -> None:
        with (checkout.code / file).open("a") as code:
            code.write(text)

    return edit


def settings(**changes: Any) -> Callable[[Checkout], Any]:
    def edit(checkout: Checkout) -> None:
        file = checkout.project / "workflow.yaml"
        write_workflow(checkout.project, **(yaml.safe_load(file.read_text()) | changes))

    return edit


def flip_last_byte(file: Path) -> None:
    """Same size, old modification time."""
    before = file.stat()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


EDITS: dict[str, tuple[Callable[[Checkout], Any], set[str]]] = {
    "a comment": (edited("components/audio/condition.py", "# edited\n"), set()),
    "report template": (
        edited("components/report/templates/report.html.jinja", "{# edited #}"),
        REPORT,
    ),
    "served version deleted": (
        lambda c: shutil.rmtree(c.project / "runs" / "tones" / "serving"),
        PUSHER,
    ),
    # From here on nothing is blessed, so that no process is started to check its serving.
    "gate rule": (settings(gate={"accuracy": {"at_least": 0.73}}), MODEL_GATE),
    "scores changed on disk": (
        lambda c: flip_last_byte(c.artifact("Evaluator", "scores", "*.npz")),
        EVALUATOR,
    ),
    "data gate rule": (settings(data_gate={"max_drift": 0.9}), DATA_GATE),
    "model changed on disk": (
        lambda c: flip_last_byte(c.artifact("Trainer", "model", "variables.data*")),
        TRAINER,
    ),
    "schema": (edited("schemas/utterance.pbtxt", "# edited\n"), SCHEMA),
    "recording, same size and time": (
        lambda c: flip_last_byte(c.project / "recordings" / "low-speaker0-0.wav"),
        ALL_BUT_SCHEMA,
    ),
}


@pytest.fixture
def checkout(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Checkout:
    return Checkout(project, tmp_path_factory.mktemp("checkout"), monkeypatch)


@pytest.mark.timeout(900)
def test_each_kind_of_edit_and_no_wrong_reuse(
    checkout: Checkout,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert checkout.ran() == set(DEPENDENCES)
    assert checkout.ran() == set()
    for name, (edit, redone) in EDITS.items():
        edit(checkout)
        assert checkout.ran() == redone, name
        assert len(list(checkout.shards.iterdir())) == 1  # those that the run put in their place
    assert_fresh_checkout_reuses(checkout, tmp_path_factory.mktemp("fresh"), monkeypatch)


def assert_fresh_checkout_reuses(
    checkout: Checkout, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same content elsewhere, with new times, into the same run directory."""
    shutil.copytree(checkout.code, fresh / "code", copy_function=shutil.copyfile)
    recordings = checkout.project / "recordings"
    shutil.copytree(recordings, fresh / "recordings", copy_function=shutil.copyfile)
    workflow = yaml.safe_load((checkout.project / "workflow.yaml").read_text())
    workflow["run"] = {"directory": str(checkout.project / "runs" / TINY["name"])}
    write_workflow(fresh, **workflow)
    monkeypatch.setattr(
        local,
        "component_fingerprint",
        functools.partial(component_fingerprint, root=fresh / "code"),
    )
    monkeypatch.setattr(
        local, "shards_fingerprint", functools.partial(shards_fingerprint, root=fresh / "code")
    )
    monkeypatch.setattr(data_schema, "SCHEMA_FILE", fresh / "code" / "schemas" / "utterance.pbtxt")
    checkout.project = fresh
    assert checkout.ran() == set()
