import pytest

from components.evaluation.formatting import amount_text, score_text


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.0, "0.000"),
        (0.62, "0.620"),
        (0.9994, "0.999"),
        (0.99996, "0.99996"),
        (0.99999994, "0.9999999"),
        (1.0, "1.000"),
        (1.0000001, "above 1"),
    ],
)
def test_a_score_never_looks_like_one_that_it_is_not(score, text):
    assert score_text(score) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "0"),
        (3.0, "3"),
        (0.0301, "0.0301"),
        (0.5, "0.500"),
        (1.7, "1.70"),
        (26.85, "26.9"),
        (99.96, "100"),
        (122.6, "123"),
        (12345.6, "12,346"),
    ],
)
def test_amounts_keep_what_counts(amount, text):
    assert amount_text(amount) == text
