import json

import pytest

from components.evaluation.slices import MOST_VALUES, check_slices, slice_features, tabulate
from schemas.errors import DataError
from schemas.utterance import Utterance


def example(**changes):
    measured = {"snr_db": 15.0, "duration_s": 0.4, "missing_s": 0.0}
    return {"metadata": "{}", "speaker": "ann", **measured} | changes


@pytest.mark.parametrize(
    ("snr_db", "band"),
    [(-5, "below 10 dB"), (10, "10 to 20 dB"), (39.9, "30 to 40 dB"), (40, "40 dB and more")],
)
def test_bands(snr_db, band):
    assert slice_features(example(snr_db=snr_db))["snr"] == band


def test_metadata_is_sliced_by():
    metadata = json.dumps({"room": "küche", "age": 7, "is_child": True})
    assert slice_features(example(metadata=metadata)) == {
        "room": "küche",
        "age": "7",
        "is_child": "true",
        "speaker": "ann",
        "snr": "10 to 20 dB",
        "duration": "below 0.5 s",
        "truncated": "no",
    }


def test_clips_that_are_cut_short_are_a_slice():
    assert slice_features(example(missing_s=0.25))["truncated"] == "yes"
    row = Utterance("a", "a", "a", "no")
    check_slices("gate.accuracy.slices", ["truncated"], [row], "label")


def test_a_gate_on_what_no_clip_has_is_refused_before_anything_runs():
    rows = [Utterance("a", "a", "a", "no", metadata={"room": "hall"})]
    check_slices("gate.slices", ["room", "speaker", "label", "snr", "duration"], rows, "label")
    for name, grouped_by in (("speakers", "label"), ("label", None)):
        with pytest.raises(DataError, match=rf"gate\.slices: got '{name}'"):
            check_slices("gate.slices", [name], rows, grouped_by)


def test_a_feature_with_too_many_values_is_named_not_sliced():
    clips = [{"speaker": "ann", "text": str(number)} for number in range(MOST_VALUES + 1)]
    kept, unsliced = tabulate([*clips, {"speaker": "zoe"}])
    assert list(kept) == ["speaker"]
    assert kept["speaker"][-1] == "zoe"
    assert unsliced == {"text": MOST_VALUES + 2}  # and the one without
    assert tabulate([]) == ({}, {})
