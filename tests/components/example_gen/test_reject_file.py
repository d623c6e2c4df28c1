import io
import itertools

from components.example_gen.reject_file import write_rejects
from schemas.reports.rejects import Reject, parse_rejects


def test_rejects_are_sorted_and_none_of_them_is_lost():
    texts = ["b", "a", "ä", "B", "\U0001f600", "\uffff", 'q"\n']
    rejects = [
        Reject(id=id_, uri=f"{id_}.wav", reason=reason, detail=detail)
        for detail, reason, id_ in itertools.product(texts, ["silent", "empty"], texts)
    ]
    rejects += rejects[:3]  # two of them may be the same
    file = io.BytesIO()
    reasons = write_rejects(iter(rejects), file)
    expected = sorted(
        rejects, key=lambda reject: (reject.id, reject.reason, reject.uri, reject.detail)
    )
    assert parse_rejects(file.getvalue()) == expected
    assert reasons == {"silent": 52, "empty": 49}


def test_no_rejects_are_an_empty_file():
    file = io.BytesIO()
    assert write_rejects([], file) == {}
    assert file.getvalue() == b""
