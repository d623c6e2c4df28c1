"""What every test may use. Speech comes twice: spoken by the generator, which every checkout can,
and recorded, where recordings lie beside a developer's checkout.
"""

from collections.abc import Iterator
from pathlib import Path

import emulators
import pytest
from emulators import SCHEMES, Emulators
from speech import write_digits, write_sentences

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("real recordings are not beside this checkout (../shared/data)")
    return SHARED_DATA.resolve()


@pytest.fixture(scope="session", params=["spoken", "recorded"])
def digits(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a manifest of digits, 8 kHz, by the six speakers of FSDD."""
    if request.param == "recorded":
        return request.getfixturevalue("shared_data") / "fsdd"
    return write_digits(tmp_path_factory.mktemp("digits") / "fsdd").parent


@pytest.fixture(scope="session", params=["spoken", "recorded"])
def sentences(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    """Files of a sentence each, 16 kHz FLAC."""
    if request.param == "recorded":
        shared = request.getfixturevalue("shared_data")
        return sorted((shared / "speechocean").rglob("*.flac"))[:20]
    return write_sentences(tmp_path_factory.mktemp("sentences") / "flac")


@pytest.fixture(scope="session")
def running_stores() -> Iterator[Emulators]:
    yield emulators.start()
    emulators.stop()


@pytest.fixture
def stores(running_stores: Emulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulators]:
    """Both object stores on loopback, found by this process and those that it starts."""
    yield emulators.connect(monkeypatch)
    running_stores.refuse_nothing()


@pytest.fixture(params=SCHEMES)
def bucket(request: pytest.FixtureRequest, stores: Emulators) -> str:
    """The URI of a new bucket, `gs://` and `s3://`."""
    return stores.bucket(request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole pipelines first: the longest files would else be alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
