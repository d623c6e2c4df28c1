"""Cron lines where clocks change, against dateutil's time zones and its rule for skipped times."""

import datetime
import pickle
import zoneinfo
from collections.abc import Iterable, Iterator

import pytest
from apscheduler.triggers.cron import CronTrigger
from dateutil import tz

from pipeline.scheduling.cron_trigger import ZonedCronTrigger
from schemas.cron import cron_fields

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
YEARS = range(2026, 2036)


def changing_zones() -> dict[str, list[datetime.date]]:
    """Each zone of the IANA database whose clocks change, with the first days of the weeks in which
    they do; of zones that are changed alike one.
    """
    zones: dict[tuple[datetime.timedelta | None, ...], str] = {}
    first = datetime.datetime(YEARS[0], 1, 1)
    weeks = [first + 7 * DAY * n for n in range(53 * len(YEARS))]
    for name in sorted(zoneinfo.available_timezones() - {"localtime", "posixrules"}):
        zone = zoneinfo.ZoneInfo(name)
        zones.setdefault(tuple(week.replace(tzinfo=zone).utcoffset() for week in weeks), name)
    changed = {
        name: [
            week.date() for week, a, b in zip(weeks, offsets, offsets[1:], strict=False) if a != b
        ]
        for offsets, name in zones.items()
    }
    return {name: days for name, days in changed.items() if days}


def expected(zone: str, times: list[datetime.time], days: list[datetime.date]) -> Iterator[float]:
    """When each of `times` is due on `days`, in seconds since 1970."""
    there = tz.gettz(zone)
    for day in days:
        for time in times:
            due = datetime.datetime.combine(day, time).replace(tzinfo=there)
            yield tz.resolve_imaginary(due).astimezone(UTC).timestamp()


def fired(zone: str, line: str, first: datetime.datetime, end: float) -> Iterator[float]:
    """Every time the trigger is due from `first` to before `end`."""
    trigger, previous = ZonedCronTrigger(line, zone), None
    while (previous := trigger.get_next_fire_time(previous, previous or first)) is not None:
        if previous.timestamp() >= end:
            return
        yield previous.timestamp()


def wrong(zone: str, line: str, times: list[datetime.time], week: datetime.date) -> bool:
    days = [week + DAY * n for n in range(-1, 9)]
    first = datetime.datetime.combine(days[0], datetime.time(), zoneinfo.ZoneInfo(zone))
    wanted = sorted(set(expected(zone, times, days)))
    end = next(expected(zone, [datetime.time()], [days[-1] + DAY]))
    return list(fired(zone, line, first, end)) != [at for at in wanted if at < end]


@pytest.mark.parametrize(
    ("line", "times", "years"),
    [
        ("0 0 * * *", [datetime.time(0, 0)], YEARS),
        ("30 0,2 * * *", [datetime.time(0, 30), datetime.time(2, 30)], YEARS[:1]),
        ("45 1 * * *", [datetime.time(1, 45)], YEARS[:1]),
    ],
)
def test_each_time_is_due_once_in_every_zone(
    line: str, times: list[datetime.time], years: Iterable[int]
) -> None:
    found = [
        (zone, week)
        for zone, weeks in changing_zones().items()
        for week in weeks
        if week.year in years and wrong(zone, line, times, week)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("zone", "skipped"), [("US/Pacific", "2026-03-09"), ("Europe/Berlin", "2026-03-30")]
)
def test_the_day_after_the_spring_change_has_its_midnight(zone: str, skipped: str) -> None:
    midnight = datetime.datetime.fromisoformat(skipped).replace(tzinfo=zoneinfo.ZoneInfo(zone))
    trigger = ZonedCronTrigger("0 0 * * *", zone)
    assert trigger.get_next_fire_time(midnight - DAY, midnight) == midnight
    # What is mended: APScheduler's own steps from the midnight before to the one after.
    clock = CronTrigger(**cron_fields("0 0 * * *"), timezone=zone)
    assert clock.get_next_fire_time(midnight - DAY, midnight - DAY) == midnight + DAY


def test_a_line_for_every_hour_follows_the_clocks() -> None:
    spring = datetime.datetime(2026, 3, 29, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    autumn = datetime.datetime(2026, 10, 25, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    for midnight, hours in ((spring, 23), (autumn, 25)):
        start = midnight.timestamp()
        due = list(fired("Europe/Berlin", "20 * * * *", midnight, start + hours * 3600))
        assert due == [start + hour * 3600 + 20 * 60 for hour in range(hours)]


def test_a_day_that_a_zone_left_out_is_not_due_twice() -> None:
    apia = datetime.datetime(2011, 12, 29, tzinfo=zoneinfo.ZoneInfo("Pacific/Apia"))
    start = apia.timestamp()
    due = list(fired("Pacific/Apia", "0 0 * * *", apia, start + 3 * 86400))
    assert due == [start, start + 86400, start + 2 * 86400]


def test_a_stored_trigger_is_the_same_again() -> None:
    trigger = ZonedCronTrigger("0 3 * * 1", "Europe/Berlin")
    assert trigger.has_times_of(pickle.loads(pickle.dumps(trigger)))
    assert not trigger.has_times_of(ZonedCronTrigger("0 3 * * 1", "Europe/Paris"))
    assert not trigger.has_times_of(ZonedCronTrigger("0 4 * * 1", "Europe/Berlin"))


def test_a_trigger_that_an_earlier_version_stored_has_the_same_times() -> None:
    fields = cron_fields("0 3 * * 1")
    trigger = ZonedCronTrigger("0 3 * * 1", "Europe/Berlin")
    assert trigger.has_times_of(CronTrigger(**fields, timezone="Europe/Berlin"))
    assert not trigger.has_times_of(CronTrigger(**fields, timezone="Europe/Paris"))
