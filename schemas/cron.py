"""Cron lines as cron reads them: numbers and names, `,` `-` `/` `*`, Sunday as 0 or 7."""

from collections.abc import Iterator

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_Field = tuple[str, int, int, dict[str, int]]
_FIELDS: tuple[_Field, ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, start=1)}),
    ("day of week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}


def why_no_cron(line: str) -> str:
    """What is wrong with a cron line; empty where nothing is."""
    try:
        fields = cron_fields(line)
    except ValueError as error:
        return str(error)
    if not _ever(fields["day"], fields["month"]):
        return "no month has such a day"
    return ""


def cron_fields(line: str) -> dict[str, str]:
    """The line as APScheduler's CronTrigger takes it; there the week begins on Monday.

    Raises:
        ValueError: it is no cron line; says which field, and what it may be.
    """
    parts = _SHORT.get(line.strip(), line).split()
    if len(parts) != len(_FIELDS):
        raise ValueError(f"{len(parts)} fields, expected 5: minute, hour, day, month, day of week")
    values = [_values(part, field) for part, field in zip(parts, _FIELDS, strict=True)]
    if parts[2] != "*" and parts[4] != "*":
        raise ValueError(
            "a day of month and a day of week, of which cron would take either; name one"
        )
    names = ("minute", "hour", "day", "month")
    fields = {name: ",".join(map(str, v)) for name, v in zip(names, values, strict=False)}
    fields["day_of_week"] = ",".join(_DAYS[day] for day in sorted({day % 7 for day in values[4]}))
    return fields


def _values(part: str, field: _Field) -> list[int]:
    name, low, high, _ = field
    found: set[int] = set()
    for piece in part.lower().split(","):
        found.update(_piece(piece, field))
    if not found:
        raise ValueError(f"{name}: {part!r}, expected numbers from {low} to {high}")
    return sorted(found)


def _piece(piece: str, field: _Field) -> Iterator[int]:
    name, low, high, names = field
    span, has_step, step_text = piece.partition("/")
    start, is_range, end = span.partition("-")
    if span == "*":
        start, is_range, end = str(low), "-", str(high - (name == "day of week"))
    elif not is_range:
        end = str(high) if has_step else start
    step = step_text if has_step else "1"
    bounds = [names.get(text, text) for text in (start, end, step)]
    if not all(str(text).isdecimal() for text in bounds):
        raise ValueError(f"{name}: {piece!r}, expected numbers from {low} to {high}")
    first, last, every = map(int, bounds)
    if every < 1 or not low <= first <= last <= high:
        raise ValueError(f"{name}: {piece!r}, expected numbers from {low} to {high}")
    yield from range(first, last + 1, every)


def _ever(days: str, months: str) -> bool:
    longest = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
    first = min(map(int, days.split(",")))
    return any(first <= longest.get(int(month), 31) for month in months.split(","))
