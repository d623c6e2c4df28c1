"""Files are read and written by `components/storage`; who still does so alone is named here."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("components", "pipeline", "schemas")
MODULES = {"shutil", "fcntl", "tempfile"}
METHODS = {
    "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink", "rename", "touch",
    "exists", "is_file", "is_dir", "iterdir", "glob", "rglob", "scandir", "walk", "fsync", "stat",
}  # fmt: skip
EXCEPTIONS: dict[str, set[str]] = {
    "TFX's own artifacts, copied to this machine": {
        "components/data_gate/executor.py",
        "components/report/view_model.py",
        "components/serving_check/executor.py",
        "components/trainer/dataset.py",
        "pipeline/erasure/purge.py",
        "pipeline/metadata/artifacts.py",
        "schemas/tfrecord.py",
    },
    "scratch, output and /proc of this machine": {
        "components/example_gen/index_writer.py",
        "components/example_gen/row_file.py",
        "components/registry/mlflow_model.py",
        "components/registry/mlflow_runs.py",
        "components/subprocess_pool.py",
        "components/versions/serving.py",
        "pipeline/cli/crash_report.py",
        "pipeline/datasets/sample_run.py",
        "pipeline/runners/console/capture.py",
        "pipeline/workspace/lock.py",
    },
    "an SQLite file": {
        "components/registry/mlflow.py",
    },
    "packaged with the code: source, templates, voices": {
        "pipeline/dag/data_schema.py",
        "components/audio/espeak.py",
        "components/report/page.py",
        "pipeline/config/docgen.py",
        "pipeline/dag/docgen.py",
        "pipeline/dag/fingerprint.py",
    },
    "in memory: the wave module": {
        "components/audio/pcm16.py",
    },
    "a person's files beside their workflow, and free space": {
        "pipeline/cli/__init__.py",
        "pipeline/cli/arguments.py",
        "pipeline/datasets/scaffold.py",
        "pipeline/config/yaml_source.py",
        "pipeline/datasets/download.py",
        "pipeline/datasets/feedback.py",
        "pipeline/datasets/importers/commonvoice.py",
        "pipeline/datasets/importers/fsdd.py",
        "pipeline/datasets/importers/kaldi.py",
        "pipeline/datasets/importers/lhotse.py",
        "pipeline/datasets/importers/librispeech.py",
        "pipeline/datasets/importers/nemo.py",
        "pipeline/datasets/importers/row.py",
        "pipeline/datasets/importers/speech_commands.py",
        "pipeline/inference/explain.py",
        "pipeline/inference/reading.py",
        "pipeline/releases/rollout.py",
        "pipeline/workspace/disk.py",
        "pipeline/workspace/machine.py",
        "pipeline/workspace/leftovers.py",
    },
}


def touches_files(source: str) -> bool:
    """Whether a module opens files, or asks the file system, without the storage."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and MODULES & {alias.name for alias in node.names}:
            return True
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id == "open":
                return True
            if isinstance(called, ast.Attribute) and called.attr in METHODS:
                return True
            if isinstance(called, ast.Attribute) and called.attr in ("open", "replace"):
                modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
                if called.attr == "open" and {"r", "rb", "w", "wb", "a", "a+"} & {*modes}:
                    return True
                if called.attr == "replace" and len(node.args) == 1 and not node.keywords:
                    return True
    return False


def modules() -> set[str]:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    return {
        file.relative_to(ROOT).as_posix()
        for file in files
        if file.parent != ROOT / "components" / "storage" and touches_files(file.read_text())
    }


def test_files_go_through_the_storage() -> None:
    named = [name for names in EXCEPTIONS.values() for name in names]
    assert modules() - set(named) == set()
    assert set(named) - modules() == set(), "an exception that is needed no more"
    assert len(named) == len(set(named))


def test_what_touches_files_is_seen() -> None:
    for line in ("import shutil", "open('a')", "p.read_text()", "p.open('rb')", "p.replace(q)"):
        assert touches_files(line)
    assert not touches_files("location_of(p).read()\n'a'.replace('b', 'c')\nopen_store(p)")
