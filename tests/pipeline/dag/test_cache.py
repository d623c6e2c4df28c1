"""Reuse is right: nothing that changed is reused, nothing unchanged is made again.

On a pipeline of two small components under the real TFX launcher and a real metadata store; the
whole graph is tried in tests/e2e.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2
from tfx import types
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline
from tfx.types import artifact_utils, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.storage.digests import FileDigests, tree_digest
from pipeline.runners.launcher import Outcome, launch_pipeline
from schemas.versions import MODEL_DIGEST_PROPERTY


class WriterExecutor(base_executor.BaseExecutor):
    """Writes `text` and what the component before wrote."""

    def Do(  # noqa: N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        if exec_properties["text"] == "fail":
            raise ValueError("told to fail")
        before = "".join(
            (Path(artifact.uri) / "text").read_text() for artifact in input_dict.get("before", [])
        )
        output = artifact_utils.get_single_uri(output_dict["after"])
        (Path(output) / "text").write_text(before + exec_properties["text"])


class WriterSpec(ComponentSpec):
    PARAMETERS: ClassVar = {"text": ExecutionParameter(type=str)}
    INPUTS: ClassVar = {"before": ChannelParameter(type=standard_artifacts.Examples, optional=True)}
    OUTPUTS: ClassVar = {"after": ChannelParameter(type=standard_artifacts.Examples)}


class Writer(base_component.BaseComponent):
    SPEC_CLASS = WriterSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(WriterExecutor)

    def __init__(self, text: str, before: types.BaseChannel | None = None) -> None:
        after = types.Channel(type=standard_artifacts.Examples)
        super().__init__(spec=WriterSpec(text=text, before=before, after=after))


class Project:
    """A run directory and a pipeline `first` -> `second` that is launched in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.connection = metadata.sqlite_metadata_connection_config(str(root / "metadata.sqlite"))
        self.texts = {"first": "one ", "second": "two"}
        self.fingerprints = {"first": "f", "second": "s"}

    def launch(self) -> dict[str, Outcome]:
        first = Writer(self.texts["first"]).with_id("first")
        second = Writer(self.texts["second"], first.outputs["after"]).with_id("second")
        pipeline = Pipeline(
            pipeline_name="writers",
            pipeline_root=str(self.root / "artifacts"),
            components=[first, second],
            metadata_connection_config=self.connection,
            enable_cache=True,
        )
        with FileDigests(self.root / "digests.sqlite") as digests:
            return launch_pipeline(
                pipeline,
                self.fingerprints,
                digests,
                self.root / "serving",
                started=lambda name: None,
                finished=lambda name, outcome: None,
                produced=lambda name, outcome: None,
            )

    def ran(self) -> list[str]:
        return [name for name, outcome in self.launch().items() if not outcome.is_reused]

    def store(self) -> MetadataStore:
        return MetadataStore(self.connection)

    def output(self, name: str) -> Path:
        [newest] = sorted((self.root / "artifacts" / name / "after").iterdir())[-1:]
        return newest / "text"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    assert project.ran() == ["first", "second"]
    assert project.ran() == []
    return project


def replace_keeping_size_and_time(file: Path) -> None:
    before = file.stat()
    file.write_text(file.read_text()[::-1])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def unseal(project: Project) -> None:
    """As if the process had died between publishing an artifact and sealing it."""
    store = project.store()
    artifacts = store.get_artifacts()
    for artifact in artifacts:
        del artifact.custom_properties["content_sha256"]
    store.put_artifacts(artifacts)


EDITS: Mapping[str, tuple[Callable[[Project], Any], list[str]]] = {
    "a parameter": (lambda p: p.texts.update(second="zwei"), ["second"]),
    "a parameter upstream": (lambda p: p.texts.update(first="eins "), ["first", "second"]),
    "code of the last": (lambda p: p.fingerprints.update(second="S"), ["second"]),
    "code of the first": (lambda p: p.fingerprints.update(first="F"), ["first", "second"]),
    "same size, old time": (
        lambda p: replace_keeping_size_and_time(p.output("second")),
        ["second"],
    ),
    "same size, old time, upstream": (
        lambda p: replace_keeping_size_and_time(p.output("first")),
        ["first", "second"],
    ),
    "an artifact emptied": (lambda p: p.output("second").write_text(""), ["second"]),
    "a file removed": (lambda p: p.output("second").unlink(), ["second"]),
    "a file added": (
        lambda p: p.output("first").with_name("more").write_text("x"),
        ["first", "second"],
    ),
    "a file renamed": (
        lambda p: p.output("second").rename(p.output("second").with_name("other")),
        ["second"],
    ),
    "a folder removed": (lambda p: shutil.rmtree(p.output("second").parent), ["second"]),
    "everything removed": (
        lambda p: shutil.rmtree(p.root / "artifacts"),
        ["first", "second"],
    ),
    "never sealed": (unseal, ["first", "second"]),
    "nothing but the remembered digests": (lambda p: (p.root / "digests.sqlite").unlink(), []),
    "nothing but times": (lambda p: os.utime(p.output("first")), []),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_changed_is_made_again_and_nothing_else(project: Project, edit: str) -> None:
    change, redone = EDITS[edit]
    change(project)
    assert project.ran() == redone
    assert project.output("second").read_text() == project.texts["first"] + project.texts["second"]
    assert project.ran() == []


def test_going_back_reuses_what_is_still_there(project: Project) -> None:
    project.texts["second"] = "zwei"
    assert project.ran() == ["second"]
    project.texts["second"] = "two"
    assert project.ran() == []


def test_a_failed_component_is_run_again(project: Project) -> None:
    project.texts["second"] = "fail"
    with pytest.raises(ValueError, match="told"):
        project.launch()
    project.texts["second"] = "two again"
    assert project.ran() == ["second"]


def test_what_a_killed_run_left_is_ended_and_removed(project: Project) -> None:
    store = project.store()
    [type_id] = {e.type_id for e in store.get_executions() if e.HasField("type_id")} or {1}
    [execution_id] = store.put_executions(
        [
            metadata_store_pb2.Execution(
                type_id=type_id, last_known_state=metadata_store_pb2.Execution.RUNNING
            )
        ]
    )
    half_written = project.root / "artifacts" / "first" / "after" / str(execution_id)
    half_written.mkdir(parents=True)
    assert project.ran() == []
    [execution] = store.get_executions_by_id([execution_id])
    assert execution.last_known_state == metadata_store_pb2.Execution.CANCELED
    assert not half_written.exists()


@pytest.fixture
def pushed(project: Project) -> Path:
    """A version in the serving directory and a PushedModel artifact that says so."""
    store = project.store()
    version = project.root / "serving" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_text("model")
    record = project.root / "artifacts" / "pushed"
    record.mkdir()
    (record / "pushed.json").write_text("{}")
    pushed_type = metadata_store_pb2.ArtifactType(name="PushedModel")
    artifact = metadata_store_pb2.Artifact(
        type_id=store.put_artifact_type(pushed_type),
        uri=str(record),
        state=metadata_store_pb2.Artifact.LIVE,
    )
    artifact.custom_properties["pushed"].int_value = 1
    artifact.custom_properties["pushed_destination"].string_value = str(version)
    artifact.custom_properties[MODEL_DIGEST_PROPERTY].string_value = tree_digest(version)
    artifact.custom_properties["content_sha256"].string_value = tree_digest(record)
    store.put_artifacts([artifact])
    return version


def is_live(project: Project) -> bool:
    [artifact] = project.store().get_artifacts_by_type("PushedModel")
    return bool(artifact.state == metadata_store_pb2.Artifact.LIVE)


def test_a_pushed_model_is_reused_while_it_is_served(project: Project, pushed: Path) -> None:
    project.launch()
    assert is_live(project)


@pytest.mark.parametrize(
    "edit",
    [
        lambda version: shutil.rmtree(version),
        lambda version: (version / "saved_model.pb").write_text("MODEL"),
        lambda version: (version.parent / "2").mkdir(),
    ],
    ids=["removed", "one byte changed", "a newer version"],
)
def test_a_pushed_model_that_is_not_served_is_pushed_again(
    project: Project, pushed: Path, edit: Callable[[Path], Any]
) -> None:
    edit(pushed)
    project.launch()
    assert not is_live(project)
