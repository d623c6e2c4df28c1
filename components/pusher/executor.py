"""Pushes a blessed model to the serving directory, with all that has to be known of it inside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.pusher.card import render_card
from components.registry import Registry
from components.registry.sync import register_versions
from components.storage.contents import digest_folder
from components.storage.location import Location, location_of
from components.versions.ledger import follow, read_ledger, write_ledger
from components.versions.manifest import read_manifest
from components.versions.model_card import read_card
from components.versions.serving import Version, push_version
from schemas.errors import RegistryError, VersionError
from schemas.reports.model_card import MODEL_CARD_FILE
from schemas.reports.pushed import PUSHED_FILE
from schemas.reports.verdict import VERDICT_FILE, Verdict, read_verdict
from schemas.versions import CARD_FILE, MODEL_DIGEST_PROPERTY, VERSION_VERDICT_FILE


class PusherConfig(TypedDict, total=False):
    """Pusher's `custom_config`: `ledger` is the file that says what was published before. Where
    nobody else follows the serving directory, on Vertex AI, `registry` says kind, project, region.
    """

    ledger: str
    registry: dict[str, str]


class Executor(tfx_pusher.Executor):
    """Pushes to the serving directory; the artifact says to which version, or why not."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: Mapping[str, str],
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
        config: PusherConfig = json.loads(
            exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY]
        )
        blessing = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        try:
            with location_of(self.GetModelPath(input_dict)).local_copy() as model:
                version = _push(
                    model,
                    read_verdict(location_of(blessing) / VERDICT_FILE),
                    location_of(destination.filesystem.base_directory),
                    location_of(config["ledger"]),
                )
        except VersionError as error:
            self._MarkNotPushed(pushed)
            location_of(f"{pushed.uri}/{PUSHED_FILE}").put(
                json.dumps({"refused": str(error)}).encode()
            )
            return
        pushed_as: dict[str, object] = {
            "destination": str(version.folder),
            "version": version.number,
        }
        if (target := config.get("registry")) is not None:
            serving_uri = destination.filesystem.base_directory
            problem = _register(target, serving_uri, version.folder, location_of(config["ledger"]))
            pushed_as |= {"not registered": problem} if problem else {}
        location_of(f"{pushed.uri}/{PUSHED_FILE}").put(json.dumps(pushed_as).encode())
        pushed.set_string_custom_property(MODEL_DIGEST_PROPERTY, digest_folder(version.folder))
        self._MarkPushed(pushed, str(version.folder), str(version.number))


def _register(
    target: dict[str, str], serving_uri: str, version: Location, ledger_file: Location
) -> str:
    from components.registry.vertex import VertexRegistry

    name = read_manifest(version).name
    try:
        registry = VertexRegistry(
            target["project"],
            target["region"],
            name,
            serving_uri,
            endpoint=target.get("endpoint"),
        )
        return register_pushed(registry, version.parent, ledger_file)
    except RegistryError as error:
        return str(error)


def register_pushed(
    registry: Registry, serving: Path | Location, ledger_file: Path | Location
) -> str:
    """Has ledger and registry follow a push; why the registry did not, empty where it did.

    What is published stays published: the next push registers what is missing.
    """
    ledger, _ = follow(read_ledger(ledger_file), serving)
    write_ledger(ledger, ledger_file)
    try:
        register_versions(registry, ledger, serving, ledger_file)
    except (RegistryError, VersionError) as error:
        return str(error)
    return ""


def _push(model: Path, verdict: Verdict, serving: Location, ledger_file: Location) -> Version:
    card = read_card(model)
    ledger = read_ledger(ledger_file)
    return push_version(
        model,
        serving,
        card.name,
        {
            CARD_FILE: render_card(card, verdict),
            MODEL_CARD_FILE: verdict.details.complete_card(card).model_dump_json(indent=2),
            VERSION_VERDICT_FILE: verdict.model_dump_json(indent=2),
        },
        lineage=card.lineage,
        min_version=ledger.newest,
        why_failed=ledger.why_failed,
    )
