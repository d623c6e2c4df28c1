"""Scores and rates in words, the same in verdict, report, model card and on the terminal."""


def score_text(score: float) -> str:
    """A score or threshold with three decimals, or more where it would look like 1; `above 1`."""
    if score > 1:
        return "above 1"
    text = f"{score:.3f}"
    for digits in range(4, 9):
        if score == 1 or float(text) < 1:
            break
        text = f"{score:.{digits}f}"
    return text


def amount_text(amount: float) -> str:
    """Hours, or how often an hour, in three digits or whole: `0`, `0.0301`, `1.70`, `12,346`."""
    is_whole = amount == round(amount) or amount >= 99.95
    return f"{amount:,.0f}" if is_whole else f"{amount:#.3g}"


def measured_text(value: float, unit: str, form: str = ".3f") -> str:
    """A headline number as people read it: `0.982`, or `1.204 dB`."""
    return f"{value:{form}} {unit}" if unit else f"{value:{form}}"
