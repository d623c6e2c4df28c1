"""Pushes a blessed model to the serving directory, with all that has to be known of it inside."""

import json
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_pusher
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from components.digests import tree_digest
from components.pusher.card import CARD_FILE, render_card
from components.versions.ledger import read_ledger
from components.versions.serving import push_version
from schemas.errors import VersionError
from schemas.reports import MODEL_CARD_FILE, PUSHED_FILE, VERDICT_FILE, ModelCard, Verdict
from schemas.versions import VERSION_VERDICT_FILE

MODEL_DIGEST_PROPERTY = "model_sha256"


class Executor(tfx_pusher.Executor):
    """Pushes to a directory of this machine; the artifact says to which version, or why not.

    `custom_config` holds `ledger`, the file that says what was pushed before.
    """

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
        config = json.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        blessing = artifact_utils.get_single_uri(
            input_dict[standard_component_specs.MODEL_BLESSING_KEY]
        )
        try:
            version = _push(
                Path(self.GetModelPath(input_dict)),
                Verdict.model_validate_json((Path(blessing) / VERDICT_FILE).read_bytes()),
                Path(destination.filesystem.base_directory),
                Path(config["ledger"]),
            )
        except VersionError as error:
            self._MarkNotPushed(pushed)
            (Path(pushed.uri) / PUSHED_FILE).write_text(json.dumps({"refused": str(error)}))
            return
        (Path(pushed.uri) / PUSHED_FILE).write_text(
            json.dumps({"destination": str(version), "version": int(version.name)})
        )
        pushed.set_string_custom_property(MODEL_DIGEST_PROPERTY, tree_digest(version))
        self._MarkPushed(pushed, pushed_destination=str(version), pushed_version=version.name)


def _push(model: Path, verdict: Verdict, serving: Path, ledger_file: Path) -> Path:
    card = ModelCard.model_validate_json((model / MODEL_CARD_FILE).read_bytes())
    ledger = read_ledger(ledger_file)
    return push_version(
        model,
        serving,
        card.name,
        {
            CARD_FILE: render_card(card, verdict),
            VERSION_VERDICT_FILE: verdict.model_dump_json(indent=2),
        },
        lineage=card.lineage,
        above=ledger.newest,
        why_failed=ledger.why_failed,
    )
