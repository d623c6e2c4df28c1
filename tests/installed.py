"""A Python of its own in which this package is installed from its wheel, as on another machine."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def install(folder: Path) -> Path:
    """A virtual environment in `folder`: the libraries of this one, and the package from a wheel
    in the place of the checkout. Returns its `python`.
    """
    run = subprocess.run
    run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    here = Path(pytest.__file__).parents[1]
    [there] = folder.glob("lib/python*/site-packages")
    for entry in here.iterdir():
        if "auricle" not in entry.name and entry.name != "__pycache__":
            (there / entry.name).symlink_to(entry)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(there)
    return folder / "bin" / "python"
