import hashlib
import os
import sqlite3
import subprocess
import time

import pytest
from waiting import wait_until

from components.storage.digests import _SETTLED_NS, FileDigests, file_digest, tree_digest


def _write_settled(path, content):
    """Writes a file and waits until its time stamps are old enough to be trusted."""
    path.write_bytes(content)
    wait_until(lambda: time.time_ns() - path.stat().st_ctime_ns > _SETTLED_NS)


def test_digest_is_sha256_as_coreutils_says(tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(os.urandom(3_000_000))
    answer = subprocess.run(["sha256sum", path], capture_output=True, check=True, text=True).stdout
    assert file_digest(path) == answer.split()[0]
    with FileDigests() as digests:
        assert digests.digest(path) == answer.split()[0]


def test_a_remembered_file_is_not_read_again(tmp_path, monkeypatch):
    clip, cache = tmp_path / "clip.wav", tmp_path / "cache" / "digests.sqlite"
    _write_settled(clip, b"one")
    with FileDigests(cache) as digests:
        assert digests.digest(clip) == hashlib.sha256(b"one").hexdigest()
    with sqlite3.connect(cache) as connection:  # only a digest that is not computed can say this
        connection.execute("UPDATE digests SET sha256 = 'remembered'")
    connection.close()
    with FileDigests(cache) as digests:
        assert digests.digest(clip) == "remembered"
        monkeypatch.chdir(tmp_path)
        assert digests.digest("clip.wav") == "remembered"


def test_same_size_edit_with_restored_time_is_seen(tmp_path):
    clip, cache = tmp_path / "clip.wav", tmp_path / "digests.sqlite"
    _write_settled(clip, b"one")
    with FileDigests(cache) as digests:
        digests.digest(clip)
    before = clip.stat()
    clip.write_bytes(b"two")
    os.utime(clip, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert clip.stat().st_mtime_ns == before.st_mtime_ns
    with FileDigests(cache) as digests:
        assert digests.digest(clip) == hashlib.sha256(b"two").hexdigest()


def test_a_file_changed_just_now_is_not_remembered(tmp_path):
    clip, cache = tmp_path / "clip.wav", tmp_path / "digests.sqlite"
    with FileDigests(cache) as digests:
        for content in (b"one", b"two", b"six"):  # may all carry one kernel tick's time stamp
            with clip.open("r+b" if clip.exists() else "wb") as file:
                file.write(content)
            assert digests.digest(clip) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("damage", [b"not a database" * 100, b""])
def test_damaged_cache_costs_time_only(tmp_path, damage):
    clip, cache = tmp_path / "clip.wav", tmp_path / "digests.sqlite"
    _write_settled(clip, b"one")
    cache.write_bytes(damage)
    for _ in range(2):
        with FileDigests(cache) as digests:
            assert digests.digest(clip) == hashlib.sha256(b"one").hexdigest()


def test_cache_that_cannot_be_made_costs_time_only(tmp_path):
    clip = tmp_path / "clip.wav"
    clip.write_bytes(b"one")
    (tmp_path / "file").write_bytes(b"")
    with FileDigests(tmp_path / "file" / "digests.sqlite") as digests:
        assert digests.digest(clip) == hashlib.sha256(b"one").hexdigest()


def test_missing_file_is_an_error(tmp_path):
    with FileDigests(tmp_path / "digests.sqlite") as digests, pytest.raises(FileNotFoundError):
        digests.digest(tmp_path / "gone.wav")


def test_tree_digest_depends_on_names_and_contents_only(tmp_path):
    def tree(name, files):
        for path, content in files.items():
            target = tmp_path / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return tree_digest(tmp_path / name)

    base = tree("a", {"x": b"1", "d/y": b"2"})
    assert tree("b", {"d/y": b"2", "x": b"1"}) == base
    assert tree("c", {"x": b"2", "d/y": b"1"}) != base
    assert tree("d", {"x": b"1", "d/z": b"2"}) != base
    assert tree("e", {"x": b"1"}) != base
    with pytest.raises(FileNotFoundError):
        tree_digest(tmp_path / "gone")
