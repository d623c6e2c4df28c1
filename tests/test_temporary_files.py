"""The machine's temporary folder holds no voice: who uses it is named here, and what for."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
USERS = {
    "components/subprocess_pool.py": "what a child says, in a file without a name",
    "components/audio/espeak.py": "a link to the voices of the generator",
    "components/storage/objects.py": "published versions on their way to and from a store",
    "components/storage/remote.py": "a copy of what lies in a store",
    "components/example_gen/row_file.py": "rows of a large data set, until its index is written",
    "components/example_gen/index_writer.py": "parts of an index, sorted",
    "components/registry/mlflow.py": "the description of a model",
    "components/registry/mlflow_runs.py": "charts of a training",
    "pipeline/datasets/sample_run.py": "the run of a sample, of which a price is told",
    "pipeline/workspace/disk.py": "nothing: whether a folder can be written",
    "pipeline/cli/__init__.py": "where a fault is described",
    "pipeline/cli/crash_report.py": "where a fault is described",
}


def test_who_uses_the_temporary_folder_is_named() -> None:
    found = set()
    for package in ("auricle", "components", "pipeline", "schemas"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    names = [alias.name for alias in node.names]
                    if "tempfile" in [*names, getattr(node, "module", None)]:
                        found.add(file.relative_to(ROOT).as_posix())
    assert found == set(USERS)
