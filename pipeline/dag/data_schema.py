"""The curated schema that ExampleValidator compares statistics with, for the target of a task."""

from pathlib import Path

from components.tasks import feeding
from schemas.example import LABEL_FEATURES

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "utterance.pbtxt"


def data_schema(task: str) -> bytes:
    """The schema of a task's examples: `schemas/utterance.pbtxt` with the features of the target,
    each with one value in every example, in place of the label.
    """
    text, targets = SCHEMA_FILE.read_bytes(), feeding.features(task).FEATURES
    if targets == LABEL_FEATURES:
        return text
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(text, schema_pb2.Schema())
    types = {"bytes": schema_pb2.BYTES, "float": schema_pb2.FLOAT, "int64": schema_pb2.INT}
    [label] = (each for each in schema.feature if each.name in LABEL_FEATURES)
    for name, kind in targets.items():
        feature = schema.feature.add()
        feature.CopyFrom(label)
        feature.name, feature.type = name, types[kind]
    schema.feature.remove(label)
    return text_format.MessageToString(schema).encode()
