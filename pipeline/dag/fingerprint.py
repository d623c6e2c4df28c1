"""What a component's result depends on beside its inputs: our code it reaches, library versions.

TFX's cache key knows neither an imported helper nor a library's version, so it serves stale
results after either changes. The fingerprint made here is put into the key of every component.
Code is found by following import statements from the component's modules, so editing a file
redoes just the components that can reach it. What counts is the syntax tree: comments, docstrings,
the layout of the text, imports for type checking and the descriptions of workflow keys do not, nor
do paths and times, so a fresh checkout has the same fingerprints.
"""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from schemas.tasks import FIRST_TASK, task_package

_TEMPLATES = '/ "templates"'  # how a module names those beside it
ROOT = Path(__file__).parents[2]
OWN_PACKAGES = ("pipeline", "components", "schemas")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# Import name -> distribution, where they differ or the name alone would not say it.
DISTRIBUTIONS = {
    "apache_beam": "apache-beam",
    "espeakng_loader": "espeakng-loader",
    "google": "protobuf",
    "google_crc32c": "google-crc32c",
    "grpc": "grpcio",
    "ml_metadata": "ml-metadata",
    "tensorflow_data_validation": "tensorflow-data-validation",
    "tensorflow_io": "tensorflow-io",
    "tensorflow_metadata": "tensorflow-metadata",
    "tensorflow_model_analysis": "tensorflow-model-analysis",
    "tfx_bsl": "tfx-bsl",
    "yaml": "pyyaml",
}


@dataclass(frozen=True)
class Dependence:
    """What one component runs: modules of ours, parts of the workflow's task where it has them, and
    libraries that are behind a stock executor.
    """

    modules: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


DEPENDENCES = {
    "AudioExampleGen": Dependence(modules=("components.example_gen.executor",)),
    "StatisticsGen": Dependence(
        modules=("components.statistics_gen.executor",),
        libraries=("tfx", "tensorflow-data-validation"),
    ),
    "ImportSchemaGen": Dependence(libraries=("tfx",)),
    "ExampleValidator": Dependence(
        modules=("components.example_validator.executor",),
        libraries=("tfx", "tensorflow-data-validation"),
    ),
    "DataGate": Dependence(
        modules=("components.data_gate.executor",), parts=("features", "targets")
    ),
    "Trainer": Dependence(
        modules=("components.trainer.run_fn",),
        parts=("features", "model", "scoring", "serving"),
        libraries=("tfx",),
    ),
    "Evaluator": Dependence(
        # TFMA imports the metric by its name.
        modules=("components.evaluator.executor", "components.evaluation.tfma_sums"),
        parts=("features", "recordings", "scoring"),
    ),
    "ModelGate": Dependence(
        modules=("components.model_gate.executor",),
        parts=("details", "gate", "scoring"),
    ),
    "ServingCheck": Dependence(
        # The executor runs the client as a program.
        modules=("components.serving_check.executor", "components.serving_check.client"),
        parts=("features",),
    ),
    "Pusher": Dependence(modules=("components.pusher.executor",), parts=("card", "details")),
    "Report": Dependence(
        modules=("components.report.executor",),
        parts=("details", "features", "report", "scoring"),
    ),
}


# What decides the bytes of a shard: less than AudioExampleGen, which also writes a report.
SHARDS = Dependence(
    modules=("components.example_gen.example_builder", "components.example_gen.shards")
)


def component_fingerprint(
    component: str, inputs: str = "", root: Path = ROOT, task: str = FIRST_TASK
) -> str:
    """SHA-256 of the code under `root` and the versions behind `component`, and of `inputs`.

    Of a task that a package of others brings, all files of the package count.
    """
    return _fingerprint(component, DEPENDENCES[component], inputs, root, task)


def shards_fingerprint(root: Path = ROOT) -> str:
    """SHA-256 of the code under `root` and the versions that decide the bytes of a shard."""
    return _fingerprint("shards", SHARDS, "", root, FIRST_TASK)


def _fingerprint(name: str, dependence: Dependence, inputs: str, root: Path, task: str) -> str:
    digest = hashlib.sha256(f"{name}\n{inputs}\n{platform.python_version()}\n".encode())
    package = task_package(task)
    if package.partition(".")[0] in OWN_PACKAGES:
        parts = [f"{package}.{part}" for part in dependence.parts]
    else:
        parts = []
        digest.update(_package_digest(package).encode() if dependence.parts else b"")
    files, imported = code_closure(dependence.modules, root, parts)
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(_meaning(path, root))
    for library in sorted({*imported, *dependence.libraries}):
        digest.update(f"{library}=={installed_version(library)}\n".encode())
    return digest.hexdigest()


@functools.cache  # it parses all of a distribution's metadata, its README included
def installed_version(library: str) -> str:
    return importlib.metadata.version(library)


def code_closure(
    modules: Iterable[str], root: Path = ROOT, parts: Iterable[str] = ()
) -> tuple[set[Path], set[str]]:
    """Files of ours that `modules` and `parts` reach through imports, and the distributions that
    they import.

    The folders of `modules` also count with the files beside them (tables), and so do the templates
    beside any module that names them.
    """
    files: set[Path] = set()
    distributions: set[str] = set()
    waiting = [*modules, *parts]
    for module in modules:
        folder = _module_file(module, root).parent
        files.update(
            p
            for p in folder.rglob("*")
            if p.is_file() and p.suffix not in (".py", ".pyc") and "__pycache__" not in p.parts
        )
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        if name in seen or top in sys.stdlib_module_names:
            continue
        seen.add(name)
        if top not in OWN_PACKAGES:
            distributions.add(DISTRIBUTIONS.get(top, top))
            continue
        path = _module_file(name, root)
        if not path.exists():  # `from package import name`: a name in the package, not a module
            continue
        files.add(path)
        if _TEMPLATES in path.read_text(encoding="utf-8"):
            files.update(p for p in (path.parent / "templates").rglob("*") if p.is_file())
        waiting.extend(_imports(path, name))
    return files, distributions


def _package_digest(package: str) -> str:
    """SHA-256 of the files of an installed package."""
    spec = importlib.util.find_spec(package)
    folders = (spec and spec.submodule_search_locations) or []
    digest = hashlib.sha256()
    for folder in map(Path, folders):
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _module_file(name: str, root: Path) -> Path:
    path = root.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(path: Path, name: str) -> Iterator[str]:
    """Every module that `path` may import, its parent packages included."""
    return iter(_read(path.read_text(), name, path.name == "__init__.py").imports)


def _meaning(path: Path, root: Path) -> bytes:
    """SHA-256 of what a file does: of its syntax tree where it is Python, else of its content."""
    if path.suffix != ".py":
        return hashlib.sha256(path.read_bytes()).digest()
    is_package = path.name == "__init__.py"
    module = path.parent if is_package else path.with_suffix("")
    return _read(path.read_text(), ".".join(module.relative_to(root).parts), is_package).meaning


class _Source(NamedTuple):
    """A source file: the modules it may import, and the SHA-256 of its tree."""

    imports: tuple[str, ...]
    meaning: bytes


@functools.lru_cache(maxsize=1024)
def _read(source: str, name: str, is_package: bool) -> _Source:
    found: list[str] = []
    tree = ast.parse(source)
    for node in _nodes(tree):
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")[: None if is_package else -1]
            prefix = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*prefix, *([node.module] if node.module else [])])
            found.append(module)
            found.extend(f"{module}.{alias.name}" for alias in node.names)
        else:
            _drop_words(node)
    with_parents = {
        ".".join(parts[:depth])
        for parts in (module.split(".") for module in (*found, name))
        for depth in range(1, len(parts) + 1)
    }
    meaning = hashlib.sha256(ast.dump(tree).encode()).digest()
    return _Source(tuple(sorted(with_parents - {name})), meaning)


def _nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes; what is imported for type checking is taken out."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
        yield node  # of which the caller may take something out
        waiting.extend(ast.iter_child_nodes(node))


def _drop_words(node: ast.AST) -> None:
    """Takes out of a node what is there for people: a docstring, the description of a key."""
    if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
        node.body = node.body[1:]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field":
        node.keywords = [each for each in node.keywords if each.arg != "description"]
