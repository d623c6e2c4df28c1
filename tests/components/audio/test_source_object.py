"""Recordings that are objects of a store: read once, of the generation that was listed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from emulators import Emulators

from components.audio.source_file import Recording
from components.storage.location import Location, location_of
from schemas.errors import DataError
from schemas.utterance import Seen

RATE = 16000


@pytest.fixture(scope="module")
def ramp(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Forty seconds, every sample different from its neighbours."""
    path = tmp_path_factory.mktemp("ramp") / "ramp.wav"
    soundfile.write(path, (np.arange(40 * RATE) % 65536 - 32768).astype(np.int16), RATE)
    return path.read_bytes()


@pytest.fixture
def place(bucket: str, ramp: bytes) -> Location:
    place = location_of(f"{bucket}/a folder/ü #1?.wav")
    place.put(ramp)
    return place


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "large":
        monkeypatch.setattr("components.audio.source_file._MOST_IN_MEMORY", 1000)
        monkeypatch.setattr("components.storage.ranged._IN_MEMORY_BYTES", 1000)
        monkeypatch.setattr("components.storage.ranged._BUFFER_BYTES", 1 << 14)
        monkeypatch.setattr("components.storage.ranged._SKIPPED_BYTES", 1 << 14)
    name: str = request.param
    return name


def listed(place: Location) -> Seen:
    [entry] = [each for each in place.parent.scan() if not isinstance(each, str)]
    return Seen(entry.size_bytes, entry.stamp, entry.digest)


def test_any_part_is_that_part_and_the_object_is_read_once(
    place: Location, bucket: str, ramp: bytes, stores: Emulators, size: str
) -> None:
    seen = listed(place)
    assert seen.digest == place.digest()
    before = stores.requests(bucket)
    recording = Recording(str(place), seen.digest, seen)
    for offset_s in (0.0, 5.0, 39.5, 1.5):
        part = recording.decode(RATE, offset_s, 0.5).waveform
        expected = np.frombuffer(ramp[-80 * RATE :], np.int16)
        start = round(offset_s * RATE)
        np.testing.assert_array_equal(
            np.round(part * 32768).astype(np.int16), expected[start : start + RATE // 2]
        )
    recording.close()
    asked = stores.requests(bucket) - before
    if size == "small":
        assert sum(asked.values()) == 1, asked


def test_an_object_that_was_replaced_since_it_was_listed_ends_the_run(
    place: Location, ramp: bytes, size: str
) -> None:
    seen = listed(place)
    place.put(ramp)  # the same content again
    Recording(str(place), seen.digest, seen).close()
    place.put(ramp[:-2] + b"\0\0")
    with pytest.raises(DataError, match="changed since"):
        Recording(str(place), seen.digest, seen)
    place.delete()
    with pytest.raises(DataError, match="no such object"):
        Recording(str(place), seen.digest, seen)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("size", ["large"], indirect=True)
def test_an_object_that_is_replaced_while_it_is_read_ends_the_run(
    place: Location, ramp: bytes
) -> None:
    seen = listed(place)
    recording = Recording(str(place), seen.digest, seen)
    recording.decode(RATE, 0.0, 0.1)
    place.put(ramp[:-2] + b"\0\0")
    with pytest.raises(DataError):
        recording.decode(RATE, 39.0, 0.5)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("size", ["large"], indirect=True)
def test_a_store_that_refuses_meanwhile_is_no_fault_of_the_clip(
    place: Location, bucket: str, stores: Emulators
) -> None:
    seen = listed(place)
    recording = Recording(str(place), seen.digest, seen)
    recording.decode(RATE, 0.0, 0.1)
    stores.refuse(bucket, 403, "AccessDenied", "not yours any more")
    with pytest.raises(DataError, match="may not"):
        recording.decode(RATE, 39.0, 0.5)


def test_what_may_not_be_read_any_more_is_said(
    place: Location, bucket: str, stores: Emulators
) -> None:
    seen = listed(place)
    stores.refuse(bucket, 403, "AccessDenied", "not yours any more")
    with pytest.raises(DataError, match="may not"):
        Recording(str(place), seen.digest, seen)


def test_headers_of_objects_are_read_as_those_of_files(
    place: Location, ramp: bytes, tmp_path: Path
) -> None:
    from components.audio.probe import read_header

    file = tmp_path / "ramp.wav"
    file.write_bytes(ramp)
    assert read_header(str(place)) == read_header(str(file))
