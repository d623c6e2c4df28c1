"""Downloads from a real server on loopback: whole, cut off, wrong, hostile and not there."""

import hashlib
import io
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets import download as fetch_module
from pipeline.datasets.download import DataSet, fetch, unpack
from schemas.errors import DataError


def tar_of(*members, **files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return buffer.getvalue()


FSDD = tar_of(
    **{"fsdd/recordings/3_ada_0.wav": os.urandom(300_000), "fsdd/recordings/notes.wav": b""}
)


class Server(ThreadingHTTPServer):
    """Serves `content`; cuts an answer off after `cut_after` bytes; may not know ranges."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut_after, self.ranges = FSDD, None, True
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}/fsdd.tar.gz"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        start = int(self.headers["Range"][6:-1]) if server.ranges else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        self.send_response(206 if server.ranges else 200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut_after])

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def described(server, content=FSDD):
    sha256 = hashlib.sha256(content).hexdigest()
    return DataSet(server.url, len(content), sha256, "fsdd", "CC0", "fsdd")


def test_a_data_set_becomes_a_manifest_and_is_not_fetched_twice(server, tmp_path):
    imported = fetch(described(server), tmp_path / "fsdd")
    assert (imported.rows, sum(imported.skipped.values())) == (1, 1)
    row = (tmp_path / "fsdd" / "manifest.jsonl").read_text()
    assert '"audio/fsdd/recordings/3_ada_0.wav"' in row
    assert '"three"' in row
    fetch(described(server), tmp_path / "fsdd")
    assert len(server.asked) == 1


def test_a_download_that_was_cut_off_goes_on(server, tmp_path):
    server.cut_after = 200_000
    with pytest.raises(DataError, match="cannot be fetched"):
        fetch(described(server), tmp_path)
    server.cut_after = None
    fetch(described(server), tmp_path)
    assert server.asked == ["bytes=0-", f"bytes={3 * 65536}-"]


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    (tmp_path / "fsdd.tar.gz.part").write_bytes(b"the beginning of something else")
    server.ranges = False
    assert fetch(described(server), tmp_path).rows == 1


def test_a_part_that_is_whole_is_taken(server, tmp_path):
    (tmp_path / "fsdd.tar.gz.part").write_bytes(FSDD)
    assert fetch(described(server), tmp_path).rows == 1


def test_another_content_than_promised_is_not_kept(server, tmp_path):
    promised = described(server)
    server.content = FSDD[:-1] + b"!"
    with pytest.raises(DataError, match=f"hash.*By hand: put {server.url} .SHA-256"):
        fetch(promised, tmp_path)
    assert list(tmp_path.iterdir()) == []
    server.content = FSDD
    assert fetch(promised, tmp_path).rows == 1


def link(name, target, kind):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "archive",
    [
        tar_of(**{"../outside.txt": b"x"}),
        tar_of(**{"good.txt": b"x", "a/../../outside.txt": b"x"}),
        tar_of(link("here", "/etc/passwd", tarfile.SYMTYPE)),
        tar_of(link("here", "../../outside.txt", tarfile.SYMTYPE)),
        tar_of(link("here", "../outside.txt", tarfile.LNKTYPE)),
        tar_of(link("device", "", tarfile.CHRTYPE)),
        FSDD[:200],
        b"no archive",
    ],
    ids=["outside", "past", "link", "link-up", "hard-link", "device", "cut-off", "text"],
)
def test_a_hostile_or_damaged_archive_leaves_nothing(tmp_path, archive):
    (tmp_path / "x.tar.gz").write_bytes(archive)
    with pytest.raises(DataError):
        unpack(tmp_path / "x.tar.gz", tmp_path / "audio")
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar.gz"]


def test_without_a_network_it_says_how_to_do_it_by_hand(server, tmp_path):
    data_set = described(server)
    server.server_close()
    with pytest.raises(
        DataError, match=r"cannot be fetched: no connection. By hand: put .* run this again"
    ):
        fetch(data_set, tmp_path)
    (tmp_path / "fsdd.tar.gz").write_bytes(FSDD)
    assert fetch(data_set, tmp_path).rows == 1


def test_too_little_room_is_said_before(server, tmp_path):
    huge = DataSet(server.url, 1 << 60, "", "fsdd", "CC0")
    with pytest.raises(DataError, match="GB"):
        fetch(huge, tmp_path)
    assert server.asked == []


def test_the_command(server, tmp_path, monkeypatch):
    monkeypatch.setitem(fetch_module.DATA_SETS, "fsdd", described(server))
    output = tmp_path / "digits"
    result = CliRunner().invoke(app, ["fetch", "fsdd", "--output", str(output)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == f"Wrote {output}/manifest.jsonl: 1 rows"
    listed = CliRunner().invoke(app, ["fetch"])
    assert listed.exit_code == 0
    assert "speech_commands_v2" in listed.stdout
    unknown = CliRunner().invoke(app, ["fetch", "speech_comands"])
    assert isinstance(unknown.exception, DataError)
    assert "nearest: 'speech_commands_v2'" in str(unknown.exception)
