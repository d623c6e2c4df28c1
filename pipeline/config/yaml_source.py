"""A YAML file as plain values that remember the line each key stands on.

YAML 1.2's core schema, not PyYAML's 1.1: `yes`, `no`, `on` and `off` are words that people say, and
`1e-3` is a number. Tags, anchors and several documents in a file are refused, duplicate keys too.
Knows nothing of workflows.
"""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import JsonValue

from components.storage.local import open_regular
from schemas.errors import WorkflowError
from schemas.manifest import is_text

KeyPath = tuple[str | int, ...]

_MAX_BYTES = 1 << 20  # no one writes a workflow of a megabyte: this is a recording, or a manifest
_MAX_NUMBER = 2**63
_MAX_NODES = 10_000  # keys and values: what is read in a second


def dotted(path: KeyPath) -> str:
    """`path` as people write it: ('data', 'generated', 'words', 0) is `data.generated.words[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def flow_text(values: JsonValue) -> str:
    """`values` as YAML on one line, without the outermost braces: `data: {folder: clips}`."""
    text: str = yaml.safe_dump(values, default_flow_style=True, sort_keys=False, width=math.inf)
    return text.strip().removeprefix("{").removesuffix("}")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file."""

    line: int
    key: str
    got: str
    expected: str = ""
    nearest: str | None = None


@dataclass
class Document:
    """The values of a file, the line of every key and list item, and what is wrong already."""

    value: JsonValue = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def at(self, path: KeyPath) -> JsonValue:
        """The value at `path`."""
        value = self.value
        for step in path:
            if isinstance(value, dict):
                value = value[str(step)]
            elif isinstance(value, list):
                value = value[int(step)]
        return value

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the innermost block around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def has_key(self, dotted: str) -> bool:
        """Whether the file says the key."""
        return tuple(dotted.split(".")) in self.lines

    def locate(self, steps: KeyPath) -> KeyPath:
        """The part of `steps` that is in the file; names of a union's alternatives fall out."""
        path: KeyPath = ()
        for step in steps:
            if (*path, step) in self.lines:
                path = (*path, step)
        return path


class _CoreLoader(yaml.SafeLoader):
    """Resolves plain scalars as YAML 1.2's core schema does, and follows no anchors."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.nodes += 1
        if self.nodes > _MAX_NODES:
            raise yaml.composer.ComposerError(
                None,
                None,
                f"got more than {_MAX_NODES:,} keys and values, expected a workflow",
                self.peek_event().start_mark,
            )
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None,
                None,
                f"got the alias *{event.anchor}, expected plain values",
                event.start_mark,
            )
        return super().compose_node(parent, index)


_CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern in (
    ("null", r"~|null|Null|NULL|"),
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    ),
):
    _CoreLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), None
    )


def parse_document(path: Path) -> Document:
    """The values in the YAML file `path`.

    Raises WorkflowError where there is no file, or no mapping in it that can be read at all;
    what can be read past (a key said twice) stands among the document's problems.
    """
    text = _read_text(path)
    try:
        root = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise WorkflowError(f"{path}:{line}: not valid YAML: {_in_words(error)}") from error
    except RecursionError as error:
        raise WorkflowError(
            f"{path}: got blocks nested without end, expected a workflow"
        ) from error
    if root is None:
        raise WorkflowError(f"{path}: got an empty file, expected a workflow (name, data, ...)")
    if not isinstance(root, yaml.MappingNode):
        kind = "a list" if isinstance(root, yaml.SequenceNode) else "one value"
        line = root.start_mark.line + 1
        raise WorkflowError(f"{path}:{line}: got {kind}, expected keys (name, data, ...)")
    document = Document(lines={(): root.start_mark.line + 1})
    document.value = _construct(root, (), document)
    return document


def _read_text(path: Path) -> str:
    try:
        with open_regular(path) as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise WorkflowError(f"{path}: no such file{_neighbours(path)}") from error
    except IsADirectoryError as error:
        raise WorkflowError(
            f"{path}: got a folder, expected a workflow file; `auricle init {path}` writes one"
        ) from error
    except OSError as error:
        raise WorkflowError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _MAX_BYTES:
        raise WorkflowError(f"{path}: got more than 1 MiB, expected a workflow file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WorkflowError(f"{path}: got a binary file, expected UTF-8 text") from error
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd:
        line = text.count("\n", 0, odd.start()) + 1
        raise WorkflowError(f"{path}:{line}: got the character {odd[0]!r}, expected text")
    return text


def _neighbours(path: Path) -> str:
    try:
        files = sorted(p.name for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml"))
    except OSError:
        return ""
    return f"; {path.parent} has {', '.join(files[:10])}" if files else ""


def _in_words(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "it ends too early"
    if "'\\t'" in problem:
        return "got a tab, expected spaces at the start of a line"
    if "expected a single document" in (error.context or ""):
        return "got a second document after `---`, expected one"
    context = f"{error.context}, " if error.context else ""
    return f"{context}{problem}"


def _construct(node: yaml.Node, path: KeyPath, document: Document) -> JsonValue:
    if isinstance(node, yaml.MappingNode):
        return _construct_mapping(node, path, document)
    if isinstance(node, yaml.SequenceNode):
        values = []
        for index, item in enumerate(node.value):
            here = (*path, index)
            document.lines[here] = item.start_mark.line + 1
            values.append(_construct(item, here, document))
        return values
    return _construct_scalar(node, path, document)


def _construct_mapping(
    node: yaml.MappingNode, path: KeyPath, document: Document
) -> dict[str, JsonValue]:
    values: dict[str, JsonValue] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            document.problems.append(Problem(line, "", "a block as a key", "a name"))
            continue
        key = key_node.value  # always text: a key `1` or `on` is a name
        here = (*path, key)
        if here in document.lines:
            first = document.lines[here]
            got = f"the key again (first on line {first})"
            document.problems.append(Problem(line, dotted(here), got, "each key once"))
            continue
        document.lines[here] = line
        values[key] = _construct(value_node, here, document)
    return values


def _construct_scalar(node: yaml.Node, path: KeyPath, document: Document) -> JsonValue:
    text = node.value
    got, expected = f"the tag {node.tag} at {text!r:.60}", "plain values without tags"
    try:
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "str" if is_text(text):
                return text
            case "str":
                got, expected = f"{text!r:.60}", "text without NUL, in UTF-8"
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                got, expected = f"{text:.60}", "a whole number of 64 bits"
                base = 0 if text[:2] in ("0o", "0x") else 10
                if abs(number := int(text, base)) < _MAX_NUMBER:
                    return number
            case "float":
                return float(re.sub(r"\.(inf|nan)$", r"\1", text.lower()))
    except ValueError:
        pass
    document.problems.append(Problem(node.start_mark.line + 1, dotted(path), got, expected))
    return None
