"""A classifier's target in the tf.Example: its label."""

from collections.abc import Mapping

from schemas.example import LABEL_FEATURES, FeatureValue

FEATURES = LABEL_FEATURES
GROUPED_BY: str | None = "label"
VARIABLE_LENGTH = False


def encode_target(target: str) -> dict[str, FeatureValue]:
    """The values of `FEATURES`."""
    return {"label": target}


def decode_target(example: Mapping[str, FeatureValue]) -> str:
    """The label."""
    return str(example["label"])
