"""What a candidate is measured against, and a training starts from: the last that was good before.

TFX's own strategies answer with the newest, which is the candidate itself as soon as it was found
good; running an unchanged workflow again would then do its work again, against itself.
"""

from ml_metadata import MetadataStore
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.utils import path_utils

from components.artifacts import Artifacts
from components.versions.model_card import read_card
from schemas.workflow.audio import Audio

BLESSED_PROPERTY = "blessed"
CURRENT_MODEL_PROPERTY = "current_model_id"


class BlessedBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the newest blessed model that is older than `candidate`."""

    def resolve_artifacts(self, store: MetadataStore, input_dict: Artifacts) -> Artifacts:
        return _newest_blessed(input_dict)


class ChampionBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `model` to the newest blessed model that is older than `candidate`, which are the
    examples of a training, and that has the settings `audio` (JSON).

    So never to a model that was trained on these examples: an unchanged run would start from what
    it made, and train for ever. The price: a changed setting on the same examples starts from the
    same champion as the training before it, also where that one's model is the champion by now.
    A version that failed is passed over, since its blessing was withdrawn.
    """

    def __init__(self, audio: str) -> None:
        self._audio = audio

    def resolve_artifacts(self, store: MetadataStore, input_dict: Artifacts) -> Artifacts:
        return _newest_blessed(input_dict, Audio.model_validate_json(self._audio))


class PassedBeforeStrategy(resolver.ResolverStrategy):
    """Resolves `verdict` to the newest verdict of DataGate that is older than `candidate`."""

    def resolve_artifacts(self, store: MetadataStore, input_dict: Artifacts) -> Artifacts:
        candidates = input_dict["candidate"]
        before = max((candidate.id for candidate in candidates), default=0)
        earlier = [verdict for verdict in input_dict["verdict"] if verdict.id < before]
        newest = max(earlier, key=lambda verdict: verdict.id, default=None)
        return {"candidate": candidates, "verdict": [newest] if newest else []}


def _newest_blessed(input_dict: Artifacts, audio: Audio | None = None) -> Artifacts:
    """The newest of `model` that is blessed, before `candidate`, and of these audio settings, where
    any are given.
    """
    candidates = input_dict["candidate"]
    blessings = {
        blessing.get_int_custom_property(CURRENT_MODEL_PROPERTY): blessing
        for blessing in input_dict["model_blessing"]
        if blessing.get_int_custom_property(BLESSED_PROPERTY) == 1
    }
    before = max((candidate.id for candidate in candidates), default=0)
    earlier = [m for m in input_dict["model"] if m.id in blessings and m.id < before]
    earlier.sort(key=lambda model: model.id, reverse=True)
    newest = next((m for m in earlier if audio is None or _audio(m) == audio), None)
    return {
        "candidate": candidates,
        "model": [newest] if newest else [],
        "model_blessing": [blessings[newest.id]] if newest else [],
    }


def _audio(model: types.Artifact) -> Audio:
    return read_card(path_utils.serving_model_dir(model.uri)).audio
