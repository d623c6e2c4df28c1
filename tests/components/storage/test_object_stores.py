"""What the stores of the clouds do beyond every storage's duties: streams, patience, refusals."""

import errno
import hashlib
import io
import os
import pickle
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from emulators import Emulators

from components.storage.interface import ABSENT, StaleError
from components.storage.location import Location, location_of
from components.storage.remote import RemoteStorage
from components.storage.trouble import BucketError, BusyStoreError, CredentialsError

MIB = 1 << 20
ODD = ["odd %41?#é中 name+&;/x", "trail%2F", "a//b", "sp ace", "a/../b", "quote'\"<>|*[x]"]
BUSY = {"gs": (429, "rateLimitExceeded"), "s3": (503, "SlowDown")}
DENIED = {"gs": (403, "forbidden"), "s3": (403, "AccessDenied")}


def storage_at(bucket: str) -> RemoteStorage:
    storage = location_of(bucket).storage
    assert isinstance(storage, RemoteStorage)
    return storage


@pytest.fixture
def waits(bucket: str, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits that the store's client asked for, which pass at once."""
    asked: list[float] = []
    monkeypatch.setattr(storage_at(bucket), "wait", asked.append)
    return asked


@pytest.fixture
def large(bucket: str) -> Location:
    """An object that is not held in memory: 9 MiB, each of its own byte."""
    place = location_of(bucket) / "large"
    with place.create() as file:
        for number in range(9):
            file.write(bytes([number]) * MIB)
    return place


def test_a_large_object_is_one_request_from_start_to_end(
    bucket: str, large: Location, stores: Emulators
) -> None:
    before = stores.requests(bucket)
    with large.open() as file:
        for number in range(9):
            assert file.read(MIB) == bytes([number]) * MIB
        assert file.read(1) == b""
    assert stores.requests(bucket) - before == {"GET": 1}


def test_a_large_object_is_sought_in(bucket: str, large: Location, stores: Emulators) -> None:
    before = stores.requests(bucket)
    with large.open() as file:
        assert file.seek(-1, io.SEEK_END) == 9 * MIB - 1
        assert (file.read(), file.tell()) == (b"\x08", 9 * MIB)
        file.seek(4 * MIB - 1)
        assert file.read(2) == b"\x03\x04"
        file.seek(100, io.SEEK_CUR)
        assert file.read(1) == b"\x04"
        file.seek(20 * MIB)
        assert file.read() == b""
    assert (stores.requests(bucket) - before)["GET"] <= 3


def test_a_small_object_is_one_request(bucket: str, stores: Emulators) -> None:
    place = location_of(bucket) / "clip.wav"
    place.put(b"x" * 64_000)
    before = stores.requests(bucket)
    with place.open() as file:
        file.seek(0, io.SEEK_END)
        file.seek(44)
        assert len(file.read()) == 63_956
    assert stores.requests(bucket) - before == {"GET": 1}


def test_an_object_that_is_replaced_while_it_is_read_is_said(large: Location) -> None:
    with large.open() as file:
        assert file.read(1) == b"\x00"
        large.put(b"y" * 10 * MIB)
        file.seek(8 * MIB)
        with pytest.raises(OSError, match="replaced") as refused:
            file.read(1)
    assert refused.value.errno == errno.ESTALE
    with large.open() as file:
        large.delete()
        file.seek(8 * MIB)
        with pytest.raises(OSError):
            file.read(1)


def test_an_answer_that_breaks_off_is_taken_up_where_it_ended(
    bucket: str, large: Location, stores: Emulators, waits: list[float]
) -> None:
    before = hashlib.sha256(large.read()).hexdigest()
    stores.refuse(bucket, 200, methods=("GET",), keep_bytes=3 * MIB, times=2)
    digest = hashlib.sha256()
    with large.open() as file:
        while block := file.read(MIB):
            digest.update(block)
    assert digest.hexdigest() == before
    assert len(waits) == 2
    stores.refuse(bucket, 200, methods=("GET",), keep_bytes=3 * MIB, times=1)
    assert hashlib.sha256(large.read()).hexdigest() == before


def test_what_passes_is_asked_again_after_growing_waits(
    bucket: str, stores: Emulators, waits: list[float]
) -> None:
    place = location_of(bucket) / "a"
    stores.refuse(bucket, *BUSY[bucket[:2]], times=3)
    place.put(b"1")
    assert len(waits) == 3
    assert waits == sorted(waits)
    stores.refuse(bucket, *BUSY[bucket[:2]], times=1)
    assert [name for name, _ in location_of(bucket).files()] == ["a"]
    stores.refuse(bucket, *BUSY[bucket[:2]])
    waits.clear()
    with pytest.raises(BusyStoreError) as refused:
        place.read()
    assert refused.value.errno == errno.EAGAIN
    assert refused.value.filename == str(place)
    assert len(waits) == len(storage_at(bucket).waits_s)


def test_a_write_whose_answer_was_lost_is_known_as_ours(
    bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    """The store writes, and says that it is busy: sent again, the precondition does not hold."""
    storage, name = location_of(bucket).storage, f"{bucket.partition('://')[2]}/a"
    assert isinstance(storage, RemoteStorage)
    write = storage._write

    def lose(*arguments: object) -> str:
        monkeypatch.setattr(storage, "_write", write)
        write(*arguments)  # type: ignore[arg-type]
        raise ConnectionResetError

    monkeypatch.setattr(storage, "_write", lose)
    generation = storage.put(name, b"1", if_match=ABSENT)
    assert len(waits) == 1
    assert storage.read(name) == (b"1", generation)
    with pytest.raises(StaleError):
        storage.put(name, b"1", if_match=ABSENT)


def test_who_may_not_is_told_so_at_once(bucket: str, stores: Emulators, waits: list[float]) -> None:
    place = location_of(bucket) / "a"
    stores.refuse(bucket, *DENIED[bucket[:2]], message="no right to write")
    for attempt in (
        lambda: place.put(b""),
        lambda: place.put(b"", if_match=ABSENT),
        place.read,
        place.delete,
        place.entry,
        lambda: location_of(bucket).children(),
    ):
        with pytest.raises(PermissionError, match="right") as refused:
            attempt()
        assert refused.value.filename.startswith(bucket)
    assert waits == []


def test_a_bucket_that_is_not_there_is_told_from_an_object(bucket: str, stores: Emulators) -> None:
    scheme = bucket.partition("://")[0]
    gone = location_of(f"{scheme}://auricle-gone") / "a"
    for attempt in (gone.entry, gone.read, lambda: gone.put(b""), lambda: list(gone.files())):
        with pytest.raises(BucketError, match="auricle-gone"):
            attempt()
    assert (location_of(bucket) / "a").entry() is None
    with pytest.raises(BucketError):
        location_of(f"{scheme}:///a").read()


def test_a_wrong_region_is_named(stores: Emulators) -> None:
    bucket = stores.bucket("s3")
    message = "the region 'us-east-1' is wrong; expecting 'eu-central-1'"
    stores.refuse(bucket, 400, "IllegalLocationConstraintException", message)
    with pytest.raises(BucketError, match="AWS_REGION"):
        (location_of(bucket) / "a").put(b"")


@pytest.mark.parametrize(
    ("uri", "way"), [("gs://bucket/a", "GOOGLE_APPLICATION_CREDENTIALS"), ("s3://bucket/a", "AWS_")]
)
def test_without_credentials_it_says_so_soon(uri: str, way: str, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
    program = (
        "import sys, time; from components.storage.location import location_of\n"
        "place = location_of(sys.argv[1])\n"
        "begun = time.monotonic()\n"
        "try: place.read()\n"
        "except OSError as error: print(type(error).__name__, time.monotonic() - begun, error)"
    )
    environment = {**kept, "HOME": str(tmp_path), "AWS_METADATA_SERVICE_TIMEOUT": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, uri],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kind, seconds, words = done.stdout.split(" ", 2)
    assert kind == CredentialsError.__name__, done.stdout
    assert float(seconds) < 8
    assert way in words


def test_credentials_are_in_no_words(
    bucket: str, stores: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.refuse(bucket, 403, "SignatureDoesNotMatch", "the signature does not match")
    with pytest.raises(OSError) as refused:
        location_of(bucket).children()
    said = f"{refused.value!r} {refused.value}"
    for name, secret in stores.environment.items():
        if name.startswith("AWS_") and "KEY" in name:
            assert secret not in said
    assert "upload_id" not in said


def test_a_server_that_is_not_there_is_said(
    bucket: str, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    storage = type(storage_at(bucket))()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    asked: list[float] = []
    monkeypatch.setattr(storage, "wait", asked.append)
    with pytest.raises(BusyStoreError, match="network"):
        storage.read("bucket/a")
    assert len(asked) == 3


def test_a_store_that_ignores_conditions_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ignorant(type(storage_at(bucket))):  # type: ignore[misc]
        """Such as gcp-storage-emulator without its guard."""

        def _write(self, place: object, content: bytes, if_match: object, token: str) -> str:
            return str(super()._write(place, content, None, token))

    with pytest.raises(OSError, match="conditional") as refused:
        Ignorant().put(f"{bucket.partition('://')[2]}/a", b"1", if_match=ABSENT)
    assert refused.value.errno == errno.ENOTSUP


def test_equal_contents_have_equal_digests(bucket: str, large: Location, stores: Emulators) -> None:
    place = location_of(bucket)
    large.copy_to(place / "copy")
    (place / "put").put(large.read())
    before = stores.requests(bucket)
    digests = {file.digest() for _, file in place.files()}
    listed = {entry.digest for entry in place.scan() if not isinstance(entry, str)}
    assert digests == listed == {f"md5:{hashlib.md5(large.read()).hexdigest()}"}
    spent = stores.requests(bucket) - before
    assert spent["GET"] + spent["HEAD"] <= 7  # nothing is read but by the line above


def test_an_object_sent_in_parts_has_the_digest_of_its_content(stores: Emulators) -> None:
    bucket = stores.bucket("s3")
    name, content = bucket.partition("://")[2], b"z" * 6 * MIB
    client = boto3.client("s3")
    client.upload_fileobj(
        io.BytesIO(content),
        name,
        "a",
        Config=boto3.s3.transfer.TransferConfig(multipart_threshold=MIB, use_threads=False),
    )
    assert "-" in client.head_object(Bucket=name, Key="a")["ETag"]
    [listed] = location_of(bucket).scan()
    assert not isinstance(listed, str)
    assert listed.digest == ""
    expected = f"md5:{hashlib.md5(content).hexdigest()}"
    assert (location_of(bucket) / "a").digest() == expected


def test_a_composed_object_has_the_digest_of_its_content(stores: Emulators) -> None:
    place = location_of(stores.bucket("gs")) / "a"
    place.put(b"content")
    [entry] = place.parent.storage.list_files(place.parent.name)
    assert entry.digest == place.digest() == f"md5:{hashlib.md5(b'content').hexdigest()}"


def test_names_are_taken_as_they_are(bucket: str) -> None:
    place = location_of(bucket)
    for name in ODD:
        (place / name).put(name.encode())
    assert sorted(name for name, _ in place.files()) == sorted(ODD)
    for name in ODD:
        assert location_of(str(place / name)).read() == name.encode()
        assert (place / name).entry() is not None
    (place / ODD[0]).copy_to(place / "copy%20?")
    assert (place / "copy%20?").read() == ODD[0].encode()
    place.delete_all()
    assert list(place.files()) == []


def test_a_long_listing_comes_in_pages(
    bucket: str, stores: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = location_of(bucket)
    names = [*(f"{folder}/{number}" for folder in "abc" for number in range(5)), "d", "e"]
    for name in names:
        (place / name).put(b"")
    monkeypatch.setattr(storage_at(bucket), "page", 4)
    monkeypatch.setattr(storage_at(bucket), "batch", 10)
    before = stores.requests(bucket)
    assert [name for name, _ in place.files()] == names
    assert (stores.requests(bucket) - before)["GET"] in (5, 6)
    assert place.children() == (["d", "e"], ["a", "b", "c"])
    before = stores.requests(bucket)
    place.delete_all()
    spent = stores.requests(bucket) - before
    assert spent["POST"] + spent["DELETE"] == 2
    assert list(place.files()) == []


def test_what_stands_for_a_folder_is_no_file(bucket: str, stores: Emulators) -> None:
    place = location_of(bucket)
    (place / "a/b").put(b"1")
    storage, name = storage_at(bucket), bucket.partition("://")[2]
    storage.put(f"{name}/a/", b"")
    storage.put(f"{name}/c/", b"")
    assert [inside for inside, _ in place.files()] == ["a/b"]
    assert place.children() == ([], ["a", "c"])
    assert (place / "a").children() == (["b"], [])
    assert location_of(f"{bucket}/a/").children() == (["b"], [])
    place.delete_all()
    assert place.children() == ([], [])


def test_a_place_crosses_to_another_process(bucket: str, tmp_path: Path) -> None:
    place = location_of(bucket) / "a"
    place.put(b"1")
    (tmp_path / "place").write_bytes(pickle.dumps(place))
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).read())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "place")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "b'1'\n"
    assert pickle.loads(pickle.dumps(place)) == place


def test_clients_load_late() -> None:
    program = (
        "import sys; from components.storage.location import location_of; location_of('/tmp')\n"
        "print({'boto3', 'google.cloud.storage'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "set()\n"


def test_the_emulators_answer_as_documented(bucket: str, stores: Emulators) -> None:
    """The guard itself: a precondition that does not hold is 412 also at the raw interface."""
    if bucket.startswith("gs"):
        name = bucket[5:]
        url = f"{stores.gcs}/upload/storage/v1/b/{name}/o?uploadType=media&name=a"
        ask = lambda query: urllib.request.Request(url + query, b"1", method="POST")  # noqa: E731
        with urllib.request.urlopen(ask("&ifGenerationMatch=0")) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="412"):
            urllib.request.urlopen(ask("&ifGenerationMatch=0"))
