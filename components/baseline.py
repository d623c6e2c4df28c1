"""Which model a candidate is measured against: the last one blessed before it was trained."""

from typing import Any

from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio
from tfx.utils import path_utils

from schemas.reports import MODEL_CARD_FILE, ModelCard

BLESSED_PROPERTY = "blessed"
CURRENT_MODEL_PROPERTY = "current_model_id"


class BlessedBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the newest blessed model that is older than `candidate`.

    TFX's LatestBlessedModelStrategy would answer with the candidate itself as soon as that was
    blessed, so that running an unchanged workflow again would evaluate again, against itself.
    A model of other audio settings is passed over: it cannot answer the candidate's test clips.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        candidates = input_dict["candidate"]
        blessings = {
            blessing.get_int_custom_property(CURRENT_MODEL_PROPERTY): blessing
            for blessing in input_dict["model_blessing"]
            if blessing.get_int_custom_property(BLESSED_PROPERTY) == 1
        }
        before = max((candidate.id for candidate in candidates), default=0)
        earlier = [m for m in input_dict["model"] if m.id in blessings and m.id < before]
        earlier.sort(key=lambda model: model.id, reverse=True)
        newest = next((m for m in earlier if _audio(m) == _audio(candidates[0])), None)
        return {
            "candidate": candidates,
            "model": [newest] if newest else [],
            "model_blessing": [blessings[newest.id]] if newest else [],
        }


def _audio(model: types.Artifact) -> dict[str, object]:
    with fileio.open(f"{path_utils.serving_model_dir(model.uri)}/{MODEL_CARD_FILE}") as file:
        return ModelCard.model_validate_json(file.read()).audio
