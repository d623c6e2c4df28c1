"""Pusher as TFX calls it, and that the registry follows where nobody else has it follow."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pushed import make_card, make_verdict, make_version
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts
from tfx.utils import proto_utils
from vertex_api import VertexApi, serve

from components.pusher.executor import Executor, register_pushed
from components.registry.vertex import VertexRegistry
from components.versions.ledger import read_ledger
from components.versions.serving import restore_version
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.reports.pushed import PUSHED_FILE
from schemas.reports.verdict import VERDICT_FILE

MODEL = "projects/my-project/locations/europe-west4/models/digits"


@pytest.fixture
def api() -> VertexApi:
    return VertexApi()


@pytest.fixture
def registry(api: VertexApi) -> Iterator[VertexRegistry]:
    with serve(api) as client:
        yield VertexRegistry("my-project", "europe-west4", "digits", "gs://bucket/serving", client)


def aliases(api: VertexApi) -> list[set[str]]:
    names = {"candidate", "champion", "previous"}
    return [names & set(version["versionAliases"]) for version in api.models[MODEL]]


def test_the_registry_follows_a_push(
    api: VertexApi, registry: VertexRegistry, tmp_path: Path
) -> None:
    serving, ledger = tmp_path / "serving", tmp_path / "versions.json"
    make_version(serving, "a")
    assert register_pushed(registry, serving, ledger) == ""
    assert aliases(api) == [{"candidate", "champion"}]
    make_version(serving, "b")
    assert register_pushed(registry, serving, ledger) == ""
    assert aliases(api) == [{"previous"}, {"candidate", "champion"}]
    restore_version(serving / "1", serving, content=1, min_version=2, withdraws=2, reason="slow")
    assert register_pushed(registry, serving, ledger) == ""
    assert aliases(api) == [set(), {"candidate"}, {"champion"}]
    assert api.models[MODEL][1]["labels"]["auricle_failed"] == "slow"
    uris = [version["artifactUri"] for version in api.models[MODEL]]
    assert uris == [f"gs://bucket/serving/{version}" for version in (1, 2, 3)]
    assert [record.entry for record in read_ledger(ledger).versions] == ["1", "2", "3"]


def test_what_a_registry_missed_is_told_with_the_next_push(
    api: VertexApi, registry: VertexRegistry, tmp_path: Path
) -> None:
    serving, ledger = tmp_path / "serving", tmp_path / "versions.json"
    make_version(serving, "a")
    api.refuses = 403
    assert " 403" in register_pushed(registry, serving, ledger)
    assert read_ledger(ledger).versions[0].entry is None
    api.refuses = None
    make_version(serving, "b")
    assert register_pushed(registry, serving, ledger) == ""
    assert aliases(api) == [{"previous"}, {"candidate", "champion"}]


def test_a_version_that_changed_is_not_registered(
    api: VertexApi, registry: VertexRegistry, tmp_path: Path
) -> None:
    folder = make_version(tmp_path / "serving", "a")
    (folder / "saved_model.pb").write_text("b")
    said = register_pushed(registry, tmp_path / "serving", tmp_path / "versions.json")
    assert said.endswith(": saved_model.pb")
    assert api.models == {}


def push(tmp_path: Path, *, is_blessed: bool = True, **config: Any) -> dict[str, Any]:
    """Runs the executor on a model; what it left in the artifact."""
    model = standard_artifacts.Model()
    model.uri = str(tmp_path / "model")
    files = tmp_path / "model" / "Format-Serving"
    (files / "assets.extra").mkdir(parents=True)
    (files / "saved_model.pb").write_text("a")
    (files / MODEL_CARD_FILE).write_text(make_card().model_dump_json())
    blessing = standard_artifacts.ModelBlessing()
    blessing.uri = str(tmp_path / "blessing")
    blessing.set_int_custom_property("blessed", int(is_blessed))
    (tmp_path / "blessing").mkdir()
    (tmp_path / "blessing" / VERDICT_FILE).write_text(make_verdict().model_dump_json())
    pushed = standard_artifacts.PushedModel()
    pushed.uri = str(tmp_path / "pushed")
    (tmp_path / "pushed").mkdir()
    destination = pusher_pb2.PushDestination(
        filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(tmp_path / "serving"))
    )
    Executor().Do(
        {"model": [model], "model_blessing": [blessing]},
        {"pushed_model": [pushed]},
        {
            "push_destination": proto_utils.proto_to_json(destination),
            "custom_config": json.dumps({"ledger": str(tmp_path / "versions.json"), **config}),
        },
    )
    assert bool(pushed.get_int_custom_property("pushed")) == (tmp_path / "serving" / "1").is_dir()
    file = tmp_path / "pushed" / PUSHED_FILE
    return dict(json.loads(file.read_text())) if file.exists() else {}


def test_a_push(tmp_path: Path) -> None:
    assert push(tmp_path) == {"destination": f"{tmp_path}/serving/1", "version": 1}
    assert not (tmp_path / "versions.json").exists()  # a run on this machine follows by itself


def test_no_push_without_a_blessing(tmp_path: Path) -> None:
    assert push(tmp_path, is_blessed=False) == {}
    assert not (tmp_path / "serving").exists()


def test_a_push_stands_when_the_registry_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "gone.json"))
    target = {"kind": "vertex", "project": "my-project", "region": "europe-west4"}
    said = push(tmp_path, registry=target)
    assert said.pop("not registered").split()[4].startswith("projects/my-project/")
    assert said == {"destination": f"{tmp_path}/serving/1", "version": 1}
