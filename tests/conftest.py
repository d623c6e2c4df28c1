"""What every test may use; `shared_data` is real speech that lies beside a developer's checkout."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip("real recordings are not beside this checkout (../shared/data)")
    return SHARED_DATA.resolve()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole pipelines first: the longest files would else be alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)
