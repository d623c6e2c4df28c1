"""What each key of a workflow file accepts, in words: for refusals and for the reference.

Works on the JSON schema of the types, so that the words, the editor's schema and the check itself
cannot say different things. Knows nothing of files and lines.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import Field, JsonValue, create_model

from pipeline.config.yaml_source import KeyPath, dotted
from schemas.tasks import TASKS, load_part
from schemas.text import nearest
from schemas.workflow.gate import Gate
from schemas.workflow.workflow import Workflow

Schema = dict[str, Any]

_EXAMPLES: dict[KeyPath, dict[str, JsonValue]] = {
    ("data",): {"folder": "../mywords"},
    ("gate",): {"accuracy": {"at_least": 0.9}},
    ("gate", "accuracy"): {"at_least": 0.9},
    ("notify",): {"command": ["./tell.sh"]},
}
NEAR = 0.55  # the ratio from which a name is worth suggesting


@cache
def root_schema(task: str | None = None) -> Schema:
    """The JSON schema of a workflow file of a `task`, or of all tasks of ours together."""
    gates = [load_part(name, "config").Gate for name in ([task] if task else TASKS)]
    gate = create_model("Gate", __base__=tuple(reversed(gates)), __doc__=Gate.__doc__)
    description = Workflow.model_fields["gate"].description
    workflow = create_model(
        "Workflow",
        __base__=Workflow,
        __doc__=Workflow.__doc__,
        gate=(gate, Field(gate(), description=description)),
    )
    return workflow.model_json_schema()


@cache
def _resolved_schema(task: str | None) -> Schema:
    """The same, every reference replaced by what it stands for."""
    root = root_schema(task)

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            named = root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            node = {**named, **{key: value for key, value in node.items() if key != "$ref"}}
        return {key: resolve(value) for key, value in node.items() if key != "$defs"}

    schema: Schema = resolve(root)
    return schema


def schema_at(path: KeyPath, task: str | None = None) -> Schema | None:
    """The schema of what stands at `path`; None where no workflow file has such a key."""
    schema: Schema | None = _resolved_schema(task)
    for step in path:
        schema = _step_into(schema, step) if schema is not None else None
    return schema


def keys_at(path: KeyPath, task: str | None = None) -> list[str]:
    """The keys of the block at `path`; empty where there is no block."""
    schema = schema_at(path, task)
    for variant in _variants(schema) if schema else ():
        if "properties" in variant:
            return list(variant["properties"])
    return []


def required_keys(schema: Schema) -> list[str]:
    """The keys that a block of `schema` has to say."""
    return [key for variant in _variants(schema) for key in variant.get("required", ())]


def expected_at(path: KeyPath, task: str | None = None) -> str:
    """What may stand at `path`, e.g. `a whole number from 1 to 4096`."""
    schema = schema_at(path, task)
    return describe(schema) if schema is not None else "no such key"


def block_example(path: KeyPath, task: str | None = None) -> JsonValue:
    """A short block that may stand at `path`; None where no block may, or nothing short says it.

    Mostly the first key that has a default; of some blocks that key says nothing.
    """
    keys = keys_at(path, task)
    chosen = _EXAMPLES.get(path, {})
    if chosen and chosen.keys() <= {*keys}:
        return chosen
    for key in keys:
        default: JsonValue = (schema_at((*path, key), task) or {}).get("default")
        if isinstance(default, str | int | float):
            return {key: default}
    return None


def describe(schema: Schema) -> str:
    """What `schema` accepts, in words."""
    words = [_describe_one(variant) for variant in _variants(schema)]
    return " or ".join(dict.fromkeys(words))


def allowed_names(path: KeyPath, task: str | None = None) -> list[str]:
    """The closed list of names that may stand at `path`; empty where it is open."""
    schema = schema_at(path, task)
    return [
        name
        for variant in (_variants(schema) if schema else ())
        for name in (variant.get("enum") or [variant["const"]] if _is_closed(variant) else [])
    ]


def nearest_key(path: KeyPath, task: str | None = None) -> str | None:
    """The dotted key that the unknown key at `path` was most likely meant to be; None if none is.

    Keys of the same block first, then the same name in another block.
    """
    *block, name = path
    here = nearest(str(name), keys_at(tuple(block), task), NEAR)
    if here is not None:
        return dotted((*block, here))
    elsewhere = {str(known[-1]): dotted(known) for known, _ in leaves(task=task)}
    return elsewhere.get(nearest(str(name), elsewhere, NEAR) or "")


def leaves(path: KeyPath = (), task: str | None = None) -> Iterator[tuple[KeyPath, Schema]]:
    """Every key that takes a value rather than a block, with its schema, in the order of the types.

    A block that may be left out (`data.generated`) comes before the keys inside it.
    """
    for key in keys_at(path, task):
        here = (*path, key)
        schema = schema_at(here, task)
        assert schema is not None  # keys_at names only keys that are there
        if not keys_at(here, task):
            yield here, schema
            continue
        if len(schema.get("anyOf", ())) > 1:
            yield here, schema
        yield from leaves(here, task)


def _variants(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, without null: leaving the key out is how one says null."""
    return [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]


def _step_into(schema: Schema, step: str | int) -> Schema | None:
    for variant in _variants(schema):
        if isinstance(step, int):
            inside = [*variant.get("prefixItems", ()), variant.get("items")]
            found = inside[min(step, len(inside) - 1)] or inside[0]
        else:
            found = variant.get("properties", {}).get(step) or variant.get("additionalProperties")
        if found:
            return found
    return None


def _is_closed(schema: Schema) -> bool:
    return "enum" in schema or "const" in schema


def _describe_one(schema: Schema) -> str:
    if _is_closed(schema):
        names = schema.get("enum") or [schema["const"]]
        return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if "properties" in schema:
        return f"a block of {', '.join(schema['properties'])}"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "string" if "pattern" in schema:
            return f"text that matches {schema['pattern']}"
        case "string":
            return "text"
        case "array" if "prefixItems" in schema:
            return f"a list of {len(schema['prefixItems'])} numbers"
        case "array":
            least = schema.get("minItems")
            return f"a list of {describe(schema['items'])}{f', at least {least}' if least else ''}"
        case _:
            return f"a block of names, each {describe(schema['additionalProperties'])}"


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    bounds["exclusiveMaximum"] = "below"
    bounds_text = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    return f" {' and '.join(bounds_text)}" if bounds_text else ""
