"""Copies a blessed model into the serving directory: whole, verified, under a version that grows.

TFX's Pusher names versions by the clock's second, copies file by file into the final folder, and
records a push where it skipped one. Here a version is the next integer, the copy is made under a
name TensorFlow Serving ignores and renamed when all of it is on disk.
"""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.digests import tree_digest
from components.pusher.card import CARD_FILE, render_card
from schemas.errors import AuricleError
from schemas.reports import MODEL_CARD_FILE, VERDICT_FILE, ModelCard, Verdict

PUSHED_FILE = "pushed.json"
MODEL_DIGEST_PROPERTY = "model_sha256"


class Executor(tfx_pusher.Executor):
    """Pushes to a directory of this machine; the artifact says to which version."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        pushed = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(
            exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination
        )
        model = Path(self.GetModelPath(input_dict))
        blessing = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        card = ModelCard.model_validate_json((model / MODEL_CARD_FILE).read_bytes())
        verdict = Verdict.model_validate_json((Path(blessing) / VERDICT_FILE).read_bytes())
        texts = {CARD_FILE: render_card(card, verdict)}
        if verdict.keywords is not None:
            card = card.model_copy(update={"threshold": verdict.keywords.threshold})
            texts[MODEL_CARD_FILE] = card.model_dump_json(indent=2)
        version = push_directory(model, Path(destination.filesystem.base_directory), texts)
        (Path(pushed.uri) / PUSHED_FILE).write_text(
            json.dumps({"destination": str(version), "version": int(version.name)})
        )
        pushed.set_string_custom_property(MODEL_DIGEST_PROPERTY, tree_digest(version))
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)


def push_directory(
    model: Path, serving: Path, texts: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Puts a copy of `model` at the next version of `serving` and returns that folder.

    `texts` are files to put into it, by relative path, in place of the model's own.

    A reader of `serving` never sees half a version. Content that is the newest version already is
    not pushed again: that version is returned.
    """
    serving.mkdir(parents=True, exist_ok=True)
    incoming = serving / f".incoming-{uuid.uuid4().hex}"
    try:
        shutil.copytree(model, incoming)
        if tree_digest(incoming) != tree_digest(model):
            raise AuricleError(f"the copy of {model} in {serving} differs from it; not pushed")
        for name, text in texts.items():
            (incoming / name).write_text(text, encoding="utf-8")
        newest = max(pushed_versions(serving), default=None, key=lambda p: int(p.name))
        if newest is not None and tree_digest(newest) == tree_digest(incoming):
            return newest
        _sync_tree(incoming)
        return _rename_to_next_version(incoming, serving)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def pushed_versions(serving: Path) -> list[Path]:
    """The version folders of a serving directory, in no order."""
    return [p for p in serving.iterdir() if p.is_dir() and p.name.isdecimal()]


def _rename_to_next_version(incoming: Path, serving: Path) -> Path:
    while True:
        versions = [int(p.name) for p in pushed_versions(serving)]
        target = serving / str(max(versions, default=0) + 1)
        try:
            incoming.rename(target)
        except OSError:
            if not target.exists():
                raise
            continue  # another push took this version in between
        _sync(serving)
        return target


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(parent) / name)
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
