"""Who is to be forgotten is so however their name is spelled."""

import pytest

from pipeline.datasets.suppression import Forgotten


@pytest.mark.parametrize("written", ["Zo\u00eb", "Zoe\u0308", " Zo\u00eb\u200b"])
def test_a_speaker_is_forgotten_in_every_spelling(written: str) -> None:
    assert Forgotten(salt="x").with_speaker("Zo\u00eb").has(written)
    # A list from before names were normalised has them as manifests did.
    assert Forgotten(salt="x").with_speaker(written).has(written)
    assert not Forgotten(salt="x").with_speaker("zo\u00eb").has(written)
