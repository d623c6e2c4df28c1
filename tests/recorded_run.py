"""A project and its run directory as the code of commit 49c2be5 left them, before the rooms, the
task seam and the storage seam: `unpack` writes them into a folder of the caller's.

36 clips of 0.2 s (three tones as words, six speakers, two takes) and one broken file were run twice
with that commit: once without gate rules (version 1 was pushed), then with 12 epochs in place of 4
and the gate in `workflow.yaml` (undecided, nothing pushed). `python tests/recorded_run.py FOLDER`
wrote `fixtures/recorded_run/` from the folder: documents as they are with `{FOLDER}` in place of
the path, the metadata as SQL, everything else in one `packed.json`. Left out, as no later run needs
them to go on: reports, logs, TensorBoard's events, the lock and the memory of file digests.
"""

import base64
import json
import lzma
import os
import sqlite3
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from components.storage.digests import DIGEST_PROPERTY, tree_digest
from components.storage.location import location_of
from pipeline.runs.stamps import read_stamps

FIXTURE = Path(__file__).parent / "fixtures" / "recorded_run"
RUN_DIRECTORY = Path("runs/tones")
_FOLDER = "{FOLDER}"
_SQL = ".sql"
_PACKED = "packed.json"
_LEFT_OUT = ("report.html", ".lock", "digests.sqlite*", "*.tfevents.*", "*.log")


def unpack(folder: Path) -> Path:
    """Writes the project into `folder`, which is made; the run directory in it.

    All paths in it name `folder`; recordings have the times that the run saw.
    """
    for name, content in _fixture_files():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == _SQL:
            with sqlite3.connect(file.with_suffix("")) as database:
                database.executescript(content.decode().replace(_FOLDER, str(folder)))
            database.close()
        else:
            file.write_bytes(content.replace(_FOLDER.encode(), str(folder).encode()))
    for name in json.loads((FIXTURE / _PACKED).read_text())["empty"]:
        (folder / name).mkdir(parents=True, exist_ok=True)
    directory = folder / RUN_DIRECTORY
    for index in (directory / "index").iterdir():
        _lay_out(index)
    _seal(directory / "metadata.sqlite")
    for recording, stamp in read_stamps(location_of(directory / "seen-files.json")):
        os.utime(recording, ns=(int(stamp.split()[1]),) * 2)
    return directory


def pack(folder: Path) -> None:
    """Writes the fixture anew from a project that ran."""
    packed: dict[bytes, list[str]] = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if any(file.match(pattern) for pattern in _LEFT_OUT):
            continue
        name = file.relative_to(folder).as_posix()
        if file.suffix == ".sqlite":
            content = _dump(file).encode()
            name += _SQL
        else:
            content = file.read_bytes()
        if file.suffix == ".pbtxt" or not _is_text(name, content):
            packed.setdefault(content, []).append(name)
            continue
        (FIXTURE / name).parent.mkdir(parents=True, exist_ok=True)
        (FIXTURE / name).write_bytes(content.replace(str(folder).encode(), _FOLDER.encode()))
    stream = lzma.compress(b"".join(packed), preset=9 | lzma.PRESET_EXTREME)
    table = [{"names": names, "bytes": len(content)} for content, names in packed.items()]
    lines = textwrap.wrap(base64.b85encode(stream).decode(), 100)
    folders = [path for path in folder.rglob("*") if path.is_dir() and not any(path.iterdir())]
    empty = sorted(path.relative_to(folder).as_posix() for path in folders)
    document = {"empty": empty, "files": table, "xz_base85": lines}
    (FIXTURE / _PACKED).write_text(json.dumps(document, indent=1) + "\n")


def _fixture_files() -> Iterator[tuple[str, bytes]]:
    """Each file's path in the project, and its content."""
    for file in sorted(path for path in FIXTURE.rglob("*") if path.is_file()):
        if file.name != _PACKED:
            yield file.relative_to(FIXTURE).as_posix(), file.read_bytes()
    document = json.loads((FIXTURE / _PACKED).read_text())
    stream = lzma.decompress(base64.b85decode("".join(document["xz_base85"])))
    start = 0
    for entry in document["files"]:
        content = stream[start : start + entry["bytes"]]
        start += entry["bytes"]
        for name in entry["names"]:
            yield name, content


def _is_text(name: str, content: bytes) -> bool:
    if Path(name).suffix == ".wav" or "shards" in Path(name).parts:
        return False
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _dump(file: Path) -> str:
    """The database as SQL, one INSERT for the rows of a table that follow each other."""
    statements: list[str] = []
    table = ""
    for statement in sqlite3.connect(file).iterdump():
        head, _, values = statement.partition(" VALUES")
        if not head.startswith("INSERT") or "sqlite_sequence" in head:
            statements.append(statement)
        elif head == table:
            statements[-1] = f"{statements[-1][:-1]},\n{values}"
        else:
            statements.append(f"{head} VALUES\n{values}")
        table = head
    return "\n".join(statements) + "\n"


def _lay_out(index: Path) -> None:
    """Says anew where the rows of each shard are: their lines hold paths, of another length now."""
    first, *lines = index.read_bytes().splitlines(keepends=True)
    header = json.loads(first)
    start = row = 0
    for shard in header["shards"]:
        shard["start"] = start
        shard["length"] = sum(map(len, lines[row : row + shard["rows"]]))
        start += shard["length"]
        row += shard["rows"]
    header["rejects_start"] = start
    index.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(lines))


def _seal(metadata: Path) -> None:
    """Gives each artifact that is there the digest of what is in it: `pushed.json` names a path."""
    with sqlite3.connect(metadata) as database:
        for number, uri in database.execute("SELECT id, uri FROM Artifact").fetchall():
            if Path(uri).is_dir():
                database.execute(
                    "UPDATE ArtifactProperty SET string_value = ?"
                    " WHERE artifact_id = ? AND name = ?",
                    (tree_digest(uri), number, DIGEST_PROPERTY),
                )
    database.close()


if __name__ == "__main__":
    pack(Path(sys.argv[1]).resolve())
