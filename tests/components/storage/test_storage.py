"""What every storage has to do: the same tests on the disk and on object stores."""

import concurrent.futures
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import emulators
import pytest
from fake_store import FakeStore

from components.storage.interface import ABSENT, Entry, HeldError, StaleError, Storage
from components.storage.local import LocalStorage
from components.storage.location import location_of, register_scheme, storage_of
from components.storage.remote import RemoteStorage

MANIFEST = "meta/manifest.json"


class Case(NamedTuple):
    storage: Storage
    root: str


def open_case(kind: str, folder: Path) -> Case:
    if kind == "local":
        return Case(LocalStorage(), str(folder / "files"))
    if kind == "fake":
        return Case(FakeStore(folder / "objects"), "bucket/files")
    memory = folder / "bucket"
    if not memory.exists():
        memory.write_text(emulators.start().bucket(kind))
    storage, bucket = storage_of(memory.read_text())
    assert isinstance(storage, RemoteStorage)
    storage.lease_s = 0.6
    return Case(storage, f"{bucket}/files")


@pytest.fixture(params=["local", "fake", *emulators.SCHEMES])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name in emulators.SCHEMES:
        request.getfixturevalue("stores")
    return name


@pytest.fixture
def case(kind: str, tmp_path: Path) -> Case:
    return open_case(kind, tmp_path)


def names(case: Case) -> list[str]:
    return [entry.name[len(case.root) + 1 :] for entry in case.storage.list_files(case.root)]


def staged(case: Case, files: dict[str, bytes], version: str) -> None:
    with case.storage.stage(case.root) as folder:
        for name, content in {**files, MANIFEST: b"{}"}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        case.storage.publish(folder, f"{case.root}/{version}", MANIFEST)


def test_what_is_put_is_read(case: Case) -> None:
    storage, name = case.storage, f"{case.root}/a/b"
    assert storage.entry(name) is None
    with pytest.raises(FileNotFoundError):
        storage.read(name)
    for content in (b"one", b"", bytes(range(256)) * 9000):
        generation = storage.put(name, content)
        assert storage.read(name) == (content, generation)
        entry = storage.entry(name)
        assert entry is not None
        assert entry.size_bytes == len(content)
        with storage.open(name) as file:
            file.seek(len(content) // 2)
            assert file.read() == content[len(content) // 2 :]


def test_only_the_expected_generation_is_replaced(case: Case) -> None:
    storage, name = case.storage, f"{case.root}/a"
    first = storage.put(name, b"1", if_match=ABSENT)
    with pytest.raises(StaleError):
        storage.put(name, b"2", if_match=ABSENT)
    storage.put(name, b"3", if_match=first)
    with pytest.raises(StaleError):
        storage.put(name, b"4", if_match=first)
    assert storage.read(name).content == b"3"


def count(kind: str, folder: Path, times: int) -> None:
    storage, root = open_case(kind, folder)
    for _ in range(times):
        while True:
            stored = storage.read(f"{root}/n")
            try:
                storage.put(f"{root}/n", b"%d" % (int(stored.content) + 1), if_match=stored[1])
                break
            except StaleError:
                continue


def test_no_count_is_lost_between_processes(kind: str, case: Case, tmp_path: Path) -> None:
    case.storage.put(f"{case.root}/n", b"0")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=count, args=(kind, tmp_path, 20)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert case.storage.read(f"{case.root}/n").content == b"60"


def test_a_reader_sees_whole_files(case: Case) -> None:
    storage, name = case.storage, f"{case.root}/a"
    contents = [bytes([digit]) * 100_000 for digit in range(20)]
    storage.put(name, contents[0])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        written = pool.submit(lambda: [storage.put(name, content) for content in contents])
        while not written.done():
            assert storage.read(name).content in contents
    assert written.result()


def test_a_file_made_in_parts_is_there_at_the_end(case: Case) -> None:
    storage, name = case.storage, f"{case.root}/a"
    with storage.create(name, f"{case.root}/.scratch") as file:
        for _ in range(3):
            file.write(b"x" * 700_000)
        assert storage.entry(name) is None
    assert storage.read(name).content == b"x" * 2_100_000
    with pytest.raises(KeyError), storage.create(name) as file:
        file.write(b"half")
        raise KeyError
    assert storage.read(name).content == b"x" * 2_100_000
    assert names(case) == ["a"]


def test_files_are_listed_and_deleted(case: Case) -> None:
    storage, root = case.storage, case.root
    assert names(case) == []
    for name in ("b/2", "a", "b/1", "b/c/3"):
        storage.put(f"{root}/{name}", b"")
    assert names(case) == ["a", "b/1", "b/2", "b/c/3"]
    assert storage.children(root) == (["a"], ["b"])
    assert storage.children(f"{root}/nothing") == ([], [])
    storage.delete(f"{root}/a")
    storage.delete(f"{root}/a")
    assert names(case) == ["b/1", "b/2", "b/c/3"]
    storage.delete_all(f"{root}/b")
    storage.delete_all(f"{root}/b")
    assert names(case) == []


def test_copies_have_the_content_and_the_digest(case: Case) -> None:
    storage, root = case.storage, case.root
    storage.put(f"{root}/a", b"content")
    storage.put(f"{root}/c", b"old")
    for _ in range(2):
        storage.copy(f"{root}/a", f"{root}/b")
        storage.copy(f"{root}/a", f"{root}/c")
    assert names(case) == ["a", "b", "c"]
    assert storage.read(f"{root}/b").content == storage.read(f"{root}/c").content == b"content"
    assert storage.digest(f"{root}/a") == storage.digest(f"{root}/c")
    storage.put(f"{root}/a", b"contenu")
    assert storage.digest(f"{root}/a") != storage.digest(f"{root}/b")
    with pytest.raises(FileNotFoundError):
        storage.copy(f"{root}/nothing", f"{root}/d")


def test_a_stamp_tells_a_change(case: Case) -> None:
    stamps = set()
    for content in (b"1", b"22", b"333"):
        case.storage.put(f"{case.root}/a", content)
        [entry] = case.storage.list_files(case.root)
        assert case.storage.entry(entry.name) == entry
        stamps.add(entry.stamp)
    assert len(stamps) == 3


def test_one_listing_tells_of_each_file_what_its_entry_tells(case: Case) -> None:
    storage, root = case.storage, case.root
    for name in ("b", "a b", "deep/c", "deep/d/e", "ä#%41?.wav"):
        storage.put(f"{root}/{name}", name.encode())
    found = list(storage.scan(root))
    files = {entry.name: entry for entry in found if not isinstance(entry, str)}
    assert sorted(files) == [f"{root}/{name}" for name in ("a b", "b", "ä#%41?.wav")]
    assert all(storage.entry(name) == entry for name, entry in files.items())
    assert all(entry.digest in ("", storage.digest(name)) for name, entry in files.items())
    assert {name for name in found if isinstance(name, str)} == {"deep"}
    assert list(storage.scan(f"{root}/nothing")) == []


def test_the_mark_of_a_folder_is_no_file_in_it(tmp_path: Path) -> None:
    store = FakeStore(tmp_path)
    for name in ("set/", "set/yes/", "set/yes/1.wav", "set//no/1.wav"):
        store.put(name, b"")
    assert store.children("set") == ([], ["", "yes"])
    assert store.children("set/yes") == (["1.wav"], [])


def test_a_store_with_checksums_reads_nothing_for_a_digest(tmp_path: Path) -> None:
    store = FakeStore(tmp_path)
    store.put("a", b"content")
    assert store.digest("a")
    assert store.bytes_read == 0


def test_a_folder_is_published_once(case: Case) -> None:
    staged(case, {"model": b"1"}, "1")
    with pytest.raises(FileExistsError):
        staged(case, {"model": b"2"}, "1")
    staged(case, {"model": b"2"}, "2")
    assert case.storage.published(case.root, MANIFEST) == ["1", "2"]
    assert case.storage.read(f"{case.root}/1/model").content == b"1"
    assert names(case) == [f"{v}/{f}" for v in "12" for f in (MANIFEST, "model")]
    case.storage.withdraw(f"{case.root}/1", MANIFEST)
    assert case.storage.published(case.root, MANIFEST) == ["2"]


def test_what_is_no_file_of_its_own_is_named(case: Case, tmp_path: Path) -> None:
    storage, root = case.storage, case.root
    storage.put(f"{root}/a/b", b"")
    assert storage.irregular(root) == storage.irregular(f"{root}/gone") == []
    if isinstance(storage, LocalStorage):
        folder = Path(root)
        (folder / "link").symlink_to("a/b")
        (folder / "a" / "folder").symlink_to(tmp_path)
        (folder / "a" / "gone").symlink_to("nowhere")
        os.mkfifo(folder / "pipe")
        assert storage.irregular(root) == ["a/folder", "a/gone", "link", "pipe"]
        (tmp_path / "other").symlink_to(folder / "a")
        assert storage.irregular(str(tmp_path / "other")) == [".", "folder", "gone"]


def test_what_several_append_at_once_is_all_kept(case: Case) -> None:
    lines = [f"{number}\n".encode() for number in range(24)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda line: case.storage.append(f"{case.root}/log/lines", line), lines))
    kept = case.storage.read(f"{case.root}/log/lines").content
    assert sorted(kept.splitlines(keepends=True)) == sorted(lines)


def test_patterns_match_names_below_a_folder(case: Case) -> None:
    for name in ("a/1.x", "a/b/2.x", "a/.c/3.x", "a/.4.x", "5.x", "ab/6.x"):
        case.storage.put(f"{case.root}/{name}", b"")
    for pattern, found in [
        ("*.x", ["5.x"]),
        ("a/*.x", ["a/1.x"]),
        ("**/*.x", ["5.x", "a/1.x", "a/b/2.x", "ab/6.x"]),
        ("a/**/2.x", ["a/b/2.x"]),
        ("a*/[0-5].x", ["a/1.x"]),
        ("a/.*/3.x", ["a/.c/3.x"]),
        ("gone/*", []),
    ]:
        assert case.storage.glob(case.root, pattern) == found


def test_a_folder_is_no_file(case: Case) -> None:
    case.storage.put(f"{case.root}/a/b", b"")
    assert case.storage.entry(f"{case.root}/a") is None


def test_what_is_neither_file_nor_folder_is_not_listed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")  # who opened it would wait for a writer
    (tmp_path / "gone.wav").symlink_to("nowhere")
    assert LocalStorage().children(str(tmp_path)) == ([], [])


def test_of_two_publishers_one_wins_whole(case: Case) -> None:
    def publish(content: bytes) -> bool:
        try:
            staged(case, {str(part): content for part in range(20)}, "1")
        except FileExistsError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        won = list(pool.map(publish, [b"a", b"b", b"c", b"d"]))
    assert sum(won) == 1
    found = {case.storage.read(f"{case.root}/1/{part}").content for part in range(20)}
    assert found == {b"abcd"[won.index(True) : won.index(True) + 1]}


def test_who_comes_as_another_ends_writes_nothing(tmp_path: Path) -> None:
    class Slow(FakeStore):
        """Another publishes between its first question and its next."""

        meanwhile: Callable[[], None] | None = None

        def _once(self) -> None:
            first, self.meanwhile = self.meanwhile, None
            if first is not None:
                first()

        def entry(self, name: str) -> Entry | None:
            found = super().entry(name)
            self._once()
            return found

        def put(self, name: str, content: bytes, *, if_match: str | None = None) -> str:
            self._once()
            return super().put(name, content, if_match=if_match)

    slow = Slow(tmp_path / "objects")
    case, other = Case(slow, "bucket/files"), open_case("fake", tmp_path)
    slow.meanwhile = lambda: staged(other, {"model": b"first"}, "1")
    with pytest.raises(FileExistsError):
        staged(case, {"model": b"second", "more": b""}, "1")
    assert names(other) == [f"1/{MANIFEST}", "1/model"]
    assert other.storage.read("bucket/files/1/model").content == b"first"


def test_a_poller_sees_whole_folders(case: Case) -> None:
    def publish() -> None:
        for version in range(1, 11):
            staged(case, {f"part-{part}": b"x" for part in range(5)}, str(version))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        done = pool.submit(publish)
        while not done.done():
            for version in case.storage.published(case.root, MANIFEST):
                if version.isdecimal():
                    files = case.storage.children(f"{case.root}/{version}")[0]
                    assert [f for f in files if f.startswith("part")] == [
                        f"part-{part}" for part in range(5)
                    ]
        done.result()


def test_what_a_killed_publisher_left_is_swept(kind: str, case: Case) -> None:
    staged(case, {"model": b"1"}, "1")
    left = f"{case.root}/.incoming-1/model" if kind == "local" else f"{case.root}/2/model"
    case.storage.put(left, b"half")
    assert "2" not in case.storage.published(case.root, MANIFEST)
    assert case.storage.sweep(case.root, MANIFEST) == 1
    assert names(case) == [f"1/{MANIFEST}", "1/model"]


def hold(kind: str, folder: Path, held: Callable[[], None]) -> None:
    storage, root = open_case(kind, folder)
    with storage.lease(f"{root}/lease"):
        held()
        signal.pause()


def test_a_lease_is_one_process_and_ends_with_it(kind: str, case: Case, tmp_path: Path) -> None:
    storage, name = case.storage, f"{case.root}/lease"
    assert not storage.is_held(name)
    context = multiprocessing.get_context("fork")
    held = context.Event()
    child = context.Process(target=hold, args=(kind, tmp_path, held.set))
    child.start()
    assert held.wait(60)
    if isinstance(storage, FakeStore):  # the holder beats while the taker waits
        beaten = storage.read(name).content
        storage.on_wait = lambda: storage.put(name, beaten) and None
    assert storage.is_held(name)
    with pytest.raises(HeldError, match=str(child.pid)), storage.lease(name):
        pass
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    if isinstance(storage, FakeStore):
        storage.on_wait = lambda: None
    with storage.lease(name):
        pass
    assert not storage.is_held(name)
    with storage.lease(name):
        pass


def test_a_holder_beats_so_that_nobody_takes_over(tmp_path: Path) -> None:
    store = FakeStore(tmp_path)
    store.lease_s = 0.03
    with store.lease("lease"):
        first = store.read("lease").generation
        while store.read("lease").generation == first:
            pass
        taken = store.put("lease", b"another process")
    assert store.read("lease") == (b"another process", taken)


def test_libraries_get_a_path(case: Case) -> None:
    case.storage.put(f"{case.root}/model/a/b.wav", b"audio")
    with case.storage.local_copy(f"{case.root}/model") as folder:
        assert (folder / "a" / "b.wav").read_bytes() == b"audio"
    with case.storage.local_copy(f"{case.root}/model/a/b.wav") as file:
        assert file.name == "b.wav"
        assert file.read_bytes() == b"audio"


def test_a_location_is_found_by_its_uri(tmp_path: Path) -> None:
    register_scheme("fake", lambda: FakeStore(tmp_path))
    place = location_of("fake://bucket/a") / "b"
    place.put(b"1")
    assert str(place) == "fake://bucket/a/b"
    assert location_of(str(place)).read() == b"1"
    assert [name for name, _ in location_of("fake://bucket").files()] == ["a/b"]
    assert place.parent == location_of("fake://bucket/a")
    with pytest.raises(ValueError, match="fake://"):
        _ = place.path
    with pytest.raises(ValueError, match="hdfs://"):
        location_of("hdfs://bucket/a")
    assert location_of(tmp_path / "x").path == tmp_path / "x"


def test_what_a_full_disk_cut_off_leaves_no_trace_and_is_named(tmp_path: Path) -> None:
    """Files of this process may not grow beyond 4 KiB, as those of a disk that is full."""
    log = tmp_path / "log.jsonl"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_write_more_than_fits, (str(log),)) == [str(log)] * 3
    assert log.read_bytes() == b"first\n"
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def _write_more_than_fits(name: str) -> list[str]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    place = location_of(name)
    place.append(b"first\n")

    def create() -> None:
        with place.create() as file:
            file.write(bytes(5000))

    named = []
    for write in (lambda: place.append(bytes(5000)), lambda: place.put(bytes(5000)), create):
        try:
            write()
        except OSError as error:
            named.append(str(error.filename))
    return named
