import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import schemas
from schemas.example import (
    COMMON_FEATURES,
    LABEL_FEATURES,
    SIDE_FEATURES,
    decode_example,
    encode_example,
)

FEATURES = COMMON_FEATURES | LABEL_FEATURES

VALUES = {
    "id": "clips/yes/1.wav",
    "uri": "clips/yes/1.wav",
    "split_key": "theo",
    "speaker": "theo",
    "label": "yes",
    "metadata": '{"room": "hall"}',
    "audio": np.arange(-8000, 8000, dtype="<i2").tobytes(),
    "source_format": "wav",
    "duration_s": 0.75,
    "rms_db": -23.5,
    "peak_db": -1.25,
    "clipped_fraction": 0.0,
    "dc_offset": -0.0,
    "snr_db": 60.0,
    "speech_fraction": 1.0,
    "source_rate_hz": 8000,
    "missing_s": 0.25,
    "source_channels": 2,
    "heard_channels": 1,
}

LENGTHS = [0, 1, 70, 80, 90, 100, 120, 127, 128, 129, 200, 16383, 16384, 1 << 21]


def _tf_example(values, kinds=FEATURES):
    """The oracle: TensorFlow's own message, serialized by protobuf."""
    from tensorflow.core.example.example_pb2 import Example

    example = Example()
    for name, kind in kinds.items():
        value = values[name].encode() if isinstance(values[name], str) else values[name]
        getattr(example.features.feature[name], f"{kind}_list").value.append(value)
    return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("length", LENGTHS)
def test_bytes_are_those_of_tf_train_example(length):
    values = VALUES | {"label": "é" * (length // 2) + "x" * (length % 2), "audio": b"\xff" * length}
    assert encode_example(values) == _tf_example(values)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)])
def test_any_int64_is_as_tf_train_example_has_it(number):
    values = VALUES | {"source_rate_hz": number}
    assert encode_example(values) == _tf_example(values)
    assert decode_example(encode_example(values))["source_rate_hz"] == number


def test_numpy_numbers_are_taken():
    values = VALUES | {"rms_db": np.float32(-3.25), "source_rate_hz": np.int32(44100)}
    assert encode_example(values) == _tf_example(
        VALUES | {"rms_db": -3.25, "source_rate_hz": 44100}
    )


def test_decoding_gives_back_what_was_encoded_in_any_order():
    encoded = encode_example(VALUES)
    assert decode_example(encoded) == VALUES
    assert encode_example(dict(reversed(VALUES.items()))) == encoded


@pytest.mark.parametrize(
    "change, words",
    [
        ({"label": 3}, "label"),
        ({"label": "\ud800"}, "label"),
        ({"rms_db": "loud"}, "rms_db"),
        ({"rms_db": 1e39}, "rms_db"),
        ({"source_rate_hz": 1.5}, "source_rate_hz"),
        ({"source_rate_hz": 2**63}, "source_rate_hz"),
        ({"loudness": 1.0}, "unknown"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(change, words):
    with pytest.raises(ValueError, match=words):
        encode_example(VALUES | change)


def test_the_target_of_another_task_is_written_and_read():
    targets = {"loudness_db": "float", "words": "int64"}
    values = {name: VALUES[name] for name in COMMON_FEATURES}
    values |= {"loudness_db": -21.5, "words": 3}
    encoded = encode_example(values, targets)
    assert encoded == _tf_example(values, COMMON_FEATURES | targets)
    assert decode_example(encoded)["loudness_db"] == -21.5
    with pytest.raises(ValueError, match="label"):
        encode_example(VALUES, targets)


def test_a_missing_feature_is_refused_by_name():
    values = {name: value for name, value in VALUES.items() if name != "snr_db"}
    with pytest.raises(ValueError, match="snr_db"):
        encode_example(values)
    with pytest.raises(KeyError, match="snr_db"):
        encode_example(values | {"other": 1})


def test_examples_of_earlier_versions_are_read_as_they_were_meant():
    """All channels were heard, and nobody looked whether something was missing."""
    from tensorflow.core.example.example_pb2 import Example

    example = Example.FromString(encode_example(VALUES))
    for name in ("missing_s", "heard_channels"):
        del example.features.feature[name]
    decoded = decode_example(example.SerializeToString())
    assert (decoded["missing_s"], decoded["heard_channels"]) == (0.0, decoded["source_channels"])


def test_decoding_refuses_what_is_no_utterance():
    from tensorflow.core.example.example_pb2 import Example

    with pytest.raises(ValueError, match=r"not a tf\.Example"):
        decode_example(b"\x0a\xff")
    with pytest.raises(ValueError, match=r"expected one value .* of audio, .* id, .* uri"):
        decode_example(b"")
    two = Example.FromString(encode_example(VALUES))
    two.features.feature["speaker"].bytes_list.value.append(b"no")
    two.features.feature["label"].bytes_list.value.append(b"no")
    two.features.feature["snr_db"].int64_list.value.append(1)
    with pytest.raises(ValueError, match=r"expected one value .* of snr_db, speaker$"):
        decode_example(two.SerializeToString())


def test_works_without_tensorflow_and_beside_it():
    code = (
        "import sys; from schemas.example import *; import schemas.tfrecord;"
        f"e = encode_example({VALUES!r}); assert decode_example(e) == {VALUES!r};"
        "assert not {'tensorflow', 'tfx', 'apache_beam'} & sys.modules.keys();"
        "from tensorflow.core.example.example_pb2 import Example;"
        "assert Example.FromString(e).SerializeToString(deterministic=True) == e;"
        f"assert decode_example(e) == {VALUES!r}"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-"], input=code.encode(), check=True)


def test_curated_schema_names_the_same_features():
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    text = (Path(schemas.__file__).parent / "utterance.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    types = {"bytes": schema_pb2.BYTES, "float": schema_pb2.FLOAT, "int64": schema_pb2.INT}
    assert {feature.name: feature.type for feature in schema.feature} == {
        name: types[kind] for name, kind in FEATURES.items()
    }
    required = {feature.name for feature in schema.feature if feature.presence.min_fraction == 1}
    assert required == {"label", "speaker", *SIDE_FEATURES}
    assert all((f.value_count.min, f.value_count.max) == (1, 1) for f in schema.feature)
