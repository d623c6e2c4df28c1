"""The `tf.Example` of one utterance: its keys, and encoding and decoding without TensorFlow.

Ingest workers write examples but must not import TensorFlow (10 s of CPU for each worker process),
so encoding writes the protobuf wire format itself and decoding uses message classes built at run
time from the description of `tensorflow/core/example/{example,feature}.proto`, in a pool of their
own. The bytes are those of `tf.train.Example(...).SerializeToString(deterministic=True)`.
"""

import functools
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto
    from google.protobuf.message import Message

FeatureKind = Literal["bytes", "float", "int64"]

# What is measured on a clip: validated, watched for drift, and used for slices.
SIDE_FEATURES: dict[str, FeatureKind] = {
    "duration_s": "float",  # of the decoded clip, before trimming, in s
    "rms_db": "float",  # level, in dB relative to full scale
    "peak_db": "float",  # highest sample, in dB relative to full scale
    "clipped_fraction": "float",  # share of samples at full scale, 0 to 1
    "dc_offset": "float",  # mean sample, full scale is 1
    "snr_db": "float",  # estimated signal-to-noise ratio, in dB
    "speech_fraction": "float",  # share of frames well above the noise floor, 0 to 1
    "missing_s": "float",  # what its header or the manifest says and is not there, in s; 0 if whole
    "source_rate_hz": "int64",  # sample rate of the file, in Hz
    "source_channels": "int64",  # channels of the file
    "heard_channels": "int64",  # of them that are in the clip: others are silent, or cancel it
    "source_format": "bytes",  # wav, flac, ogg, mp3, ...; generated
}

# What every example has, whatever its task; the task adds the features of its target.
COMMON_FEATURES: dict[str, FeatureKind] = {
    "id": "bytes",  # UTF-8, as all bytes features but `audio`
    "uri": "bytes",
    "split_key": "bytes",  # what was hashed: the speaker, or the recording
    "speaker": "bytes",  # empty where nobody knows
    "metadata": "bytes",  # what else the manifest says, as a JSON object
    "audio": "bytes",  # mono little-endian 16-bit PCM at the workflow's sample rate
    **SIDE_FEATURES,
}
LABEL_FEATURES: dict[str, FeatureKind] = {"label": "bytes"}  # the target of classifiers

FeatureValue = bytes | str | float | int

_FLOAT = struct.Struct("<f")


def encode_example(
    values: Mapping[str, FeatureValue], targets: Mapping[str, FeatureKind] = LABEL_FEATURES
) -> bytes:
    """The serialized `tf.Example` that holds one value for each of `COMMON_FEATURES` and of the
    features `targets` of a task; same in, same out.

    Strings are stored as UTF-8, floats as float32.

    Raises:
        KeyError: a feature is missing.
        ValueError: a feature is unknown, or a value does not fit its kind.
    """
    encoders = _encoders(tuple(targets.items()))
    if len(values) != len(encoders):
        names = {name for name, *_ in encoders}
        unknown = sorted(values.keys() - names) or "none"
        missing = sorted(names - values.keys()) or "none"
        raise ValueError(f"features: unknown {unknown}, missing {missing}")
    chunks = [b""]
    for name, kind, key, encode in encoders:
        try:
            chunks += encode(key, values[name])
        except (struct.error, TypeError, AttributeError, OverflowError, UnicodeError) as error:
            raise ValueError(f"{name}: {values[name]!r:.80} is no {kind}") from error
    chunks[0] = b"\x0a" + _varint(sum(map(len, chunks)))  # Example.features: field 1
    return b"".join(chunks)


def encode_audio(pcm: bytes) -> bytes:
    """A serialized `tf.Example` that has `audio` alone: all that a model looks at."""
    entry = b"".join(_bytes_entry(_field(1, b"audio"), pcm))
    return b"\x0a" + _varint(len(entry)) + entry


def decode_example(serialized: bytes) -> dict[str, FeatureValue]:
    """The values of a serialized `tf.Example`: the common features, and of a task's those with one
    value; bytes features but `audio` come back as `str`.

    Raises:
        ValueError: not a `tf.Example`, or a common feature has not one value of its kind.
    """
    from google.protobuf.message import DecodeError

    example = _example_class()()
    try:
        example.ParseFromString(serialized)
    except DecodeError as error:
        raise ValueError(f"not a tf.Example: {error}") from error
    values: dict[str, FeatureValue] = {}
    for name, feature in example.features.feature.items():
        kind = (feature.WhichOneof("kind") or "bytes_list").removesuffix("_list")
        found = getattr(feature, f"{kind}_list").value
        if len(found) == 1 and kind == COMMON_FEATURES.get(name, kind):
            is_text = kind == "bytes" and name != "audio"
            values[name] = found[0].decode() if is_text else found[0]
    # Examples of earlier versions, whose speakers may be forgotten, lack these.
    if "missing_s" not in example.features.feature:
        values["missing_s"] = 0.0
    if "heard_channels" not in example.features.feature and "source_channels" in values:
        values["heard_channels"] = values["source_channels"]
    if missing := COMMON_FEATURES.keys() - values.keys():
        raise ValueError(f"expected one value of its kind of {', '.join(sorted(missing))}")
    return values


def _varint(value: int) -> bytes:
    """Base-128 varint of a number from 0 to 2**64 - 1."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


# An entry of the map Features.feature (field 1) is a key (field 1) and a Feature (field 2): a
# oneof of lists (1 bytes, 2 float, 3 int64), whose values are its field 1, packed for numbers.
# Each comes as chunks to be joined once: a waveform is not copied on the way.
def _bytes_entry(key: bytes, value: FeatureValue) -> tuple[bytes, ...]:
    content = value.encode() if isinstance(value, str) else value
    if not isinstance(content, bytes):
        raise TypeError
    size = len(content)
    if size < 0x70 - len(key):  # every length below fits one byte
        lengths = (len(key) + size + 6, size + 4, size + 2, size)
        return (b"\x0a%c%b\x12%c\x0a%c\x0a%c%b" % (lengths[0], key, *lengths[1:], content),)
    head = b"\x0a" + _varint(size)
    head = b"\x0a" + _varint(len(head) + size) + head
    head = key + b"\x12" + _varint(len(head) + size) + head
    return b"\x0a" + _varint(len(head) + size) + head, content


def _float_entry(key: bytes, value: FeatureValue) -> tuple[bytes, ...]:
    return (b"\x0a%c%b\x12\x08\x12\x06\x0a\x04%b" % (len(key) + 10, key, _FLOAT.pack(value)),)


@functools.lru_cache(typed=True)  # rates and channels: few, and the same again and again
def _int64_entry(key: bytes, value: FeatureValue) -> tuple[bytes, ...]:
    if isinstance(value, (bytes, str, float)):
        raise TypeError
    number = value.__index__()
    if not -(1 << 63) <= number < 1 << 63:
        raise OverflowError
    values = _field(1, _varint(number & (1 << 64) - 1))
    return (_field(1, key + _field(2, _field(3, values))),)


_Entry = Callable[[bytes, FeatureValue], tuple[bytes, ...]]
_Encoder = tuple[str, FeatureKind, bytes, _Entry]  # name, kind, encoded name

_KIND_ENCODERS: dict[FeatureKind, _Entry] = {
    "bytes": _bytes_entry,
    "float": _float_entry,
    "int64": _int64_entry,
}


@functools.cache
def _encoders(targets: tuple[tuple[str, FeatureKind], ...]) -> list[_Encoder]:
    kinds = {**COMMON_FEATURES, **dict(targets)}
    # Deterministic serialization sorts map entries by key.
    return [
        (name, kinds[name], _field(1, name.encode()), _KIND_ENCODERS[kinds[name]])
        for name in sorted(kinds)
    ]


@functools.cache
def _example_class() -> "type[Message]":
    """The message class `tensorflow.Example`, unknown to the default descriptor pool."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    types = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="auricle/example.proto", package="tensorflow", syntax="proto3"
    )

    def add(
        message: "DescriptorProto", name: str, number: int, kind: int, **more: str | int
    ) -> None:
        label = more.pop("label", types.LABEL_OPTIONAL)
        message.field.add(name=name, number=number, type=kind, label=label, **more)

    for kind, wire in (
        ("Bytes", types.TYPE_BYTES),
        ("Float", types.TYPE_FLOAT),
        ("Int64", types.TYPE_INT64),
    ):
        values = file.message_type.add(name=f"{kind}List")
        add(values, "value", 1, wire, label=types.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, kind in enumerate(("Bytes", "Float", "Int64"), start=1):
        name, of = f"{kind.lower()}_list", f".tensorflow.{kind}List"
        add(feature, name, number, types.TYPE_MESSAGE, type_name=of, oneof_index=0)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, types.TYPE_STRING)
    add(entry, "value", 2, types.TYPE_MESSAGE, type_name=".tensorflow.Feature")
    of = ".tensorflow.Features.FeatureEntry"
    add(features, "feature", 1, types.TYPE_MESSAGE, type_name=of, label=types.LABEL_REPEATED)
    example = file.message_type.add(name="Example")
    add(example, "features", 1, types.TYPE_MESSAGE, type_name=".tensorflow.Features")

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return factory.GetPrototype(pool.FindMessageTypeByName("tensorflow.Example"))
