"""Public data sets: downloaded, checked, unpacked, and listed in a manifest.

pooch keeps what is there and checks hashes; what it lacks is here: going on with a download that
was cut off, and archives that may not write outside their folder.
"""

import functools
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from pydantic import BaseModel

from pipeline.datasets.importers import Imported, import_manifest
from schemas.errors import DataError
from schemas.text import nearest

_TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 16  # what a cut loses at most
_UNPACKED_FACTOR = 2.5  # room for the archive and for what is in it
_AUDIO = "audio"


Received = Callable[[int, int | None], None]
"""Called with the bytes that came so far, and with all there are, where that is known."""


@dataclass(frozen=True)
class DataSet:
    """Where a public data set is, what it has to be, and how it is laid out.

    `folder` is what the archive puts everything into; empty where it has no such folder.
    """

    url: str
    size_bytes: int
    sha256: str
    layout: str
    licence: str
    folder: str = ""


class KnownDataSets(BaseModel):
    """All data sets that can be fetched, by name."""

    data_sets: dict[str, DataSet]


_SPEECH_COMMANDS = "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_"
_LIBRISPEECH = "https://www.openslr.org/resources/12/"
_FSDD = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"

# Sizes and hashes as TensorFlow Datasets and torchaudio publish them.
DATA_SETS = {
    "fsdd": DataSet(
        f"{_FSDD}v1.0.9.tar.gz",
        11_975_353,
        "8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0",
        "fsdd",
        "CC BY-SA 4.0",
        "free-spoken-digit-dataset-1.0.9",
    ),
    "speech_commands_v2": DataSet(
        f"{_SPEECH_COMMANDS}v0.02.tar.gz",
        2_428_923_189,
        "af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        "speech_commands",
        "CC BY 4.0",
    ),
    "librispeech_dev_clean": DataSet(
        f"{_LIBRISPEECH}dev-clean.tar.gz",
        337_926_286,
        "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        "librispeech",
        "CC BY 4.0",
        "LibriSpeech",
    ),
    "librispeech_train_clean_100": DataSet(
        f"{_LIBRISPEECH}train-clean-100.tar.gz",
        6_387_309_499,
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
        "librispeech",
        "CC BY 4.0",
        "LibriSpeech",
    ),
}


def find_data_set(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        DataError: with the nearest name and all others.
    """
    if name not in DATA_SETS:
        near = nearest(name, DATA_SETS)
        raise DataError(f"no data set {name!r}; nearest: {near!r} (of {', '.join(DATA_SETS)})")
    return DATA_SETS[name]


def _ignore(done: int, total: int | None) -> None:
    """Nobody looks."""


def fetch(data_set: DataSet, folder: Path, received: Received = _ignore) -> Imported:
    """`folder` holds the archive, `audio/` with its content, and `manifest.jsonl`.

    What is already there is not fetched again; a download that was cut off goes on. `received` is
    called with what has come so far, and all there is, in bytes.

    Raises:
        DataError: no network, no room, or not the archive it should be.
    """
    audio = folder / _AUDIO
    if not audio.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _require_room(data_set, folder)
        unpack(_download(data_set, folder, received), audio)
    return import_manifest(data_set.layout, audio / data_set.folder, folder / "manifest.jsonl")


def unpack(archive: Path, folder: Path) -> None:
    """The content of a tar archive becomes `folder`, all of it or nothing.

    Raises:
        DataError: damaged, or a member would be written outside, or is no plain file or folder.
    """
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(draft, filter="data")
        draft.replace(folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _require_room(data_set: DataSet, folder: Path) -> None:
    needed = int(data_set.size_bytes * _UNPACKED_FACTOR)
    if (free := shutil.disk_usage(folder).free) < needed:
        raise DataError(
            f"{folder}: {free / 1e9:.1f} GB are free, and about {needed / 1e9:.1f} GB are needed"
        )


def _download(data_set: DataSet, folder: Path, received: Received) -> Path:
    name = data_set.url.rpartition("/")[2]
    by_hand = (
        f"By hand: put {data_set.url} (SHA-256 {data_set.sha256}) at {folder / name}, and run this"
        " again"
    )
    try:
        path = pooch.retrieve(
            data_set.url,
            known_hash=f"sha256:{data_set.sha256}",
            fname=name,
            path=folder,
            downloader=functools.partial(_download_onwards, received=received),
        )
    except (OSError, requests.RequestException) as error:
        unreachable = isinstance(error, requests.ConnectionError | requests.Timeout)
        why = "no connection" if unreachable else error
        raise DataError(f"{data_set.url} cannot be fetched: {why}. {by_hand}") from error
    except ValueError as error:  # pooch: another hash
        raise DataError(f"{error}. Nothing of it was kept. {by_hand}") from error
    return Path(path)


def _download_onwards(url: str, output_file: str, _: pooch.Pooch, *, received: Received) -> None:
    """pooch's downloader: begins where an earlier one ended, in a file beside the target."""
    part = Path(output_file).parent / f"{url.rpartition('/')[2]}.part"
    done = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"}
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code != requests.codes.requested_range_not_satisfiable:  # all is there
            response.raise_for_status()
            goes_on = response.status_code == requests.codes.partial_content
            _receive(response, part, done if goes_on else 0, received)
    part.replace(output_file)


def _receive(response: requests.Response, part: Path, done: int, received: Received) -> None:
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    with part.open("ab" if done else "wb") as file:
        for block in response.iter_content(_BLOCK_BYTES):
            file.write(block)
            done += len(block)
            received(done, total)
    if total is not None and part.stat().st_size < total:
        raise OSError(f"cut off after {part.stat().st_size:,} of {total:,} bytes; it can go on")
