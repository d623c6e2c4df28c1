"""Cron lines mean what cron says they mean, whatever the scheduler behind them counts from."""

import datetime
import zoneinfo

import pytest
from apscheduler.triggers.cron import CronTrigger

from schemas.cron import cron_fields, why_no_cron


@pytest.mark.parametrize(
    ("line", "day_of_week"),
    [
        ("0 3 * * 0", "sun"),
        ("0 3 * * 7", "sun"),
        ("0 3 * * 1-5", "mon,tue,wed,thu,fri"),
        ("0 3 * * 5-7", "sun,fri,sat"),
        ("0 3 * * sat,sun", "sun,sat"),
        ("0 3 * * */2", "sun,tue,thu,sat"),
        ("@weekly", "sun"),
    ],
)
def test_sunday_is_0_and_7(line: str, day_of_week: str) -> None:
    assert cron_fields(line)["day_of_week"] == day_of_week


def test_steps_ranges_and_names() -> None:
    fields = cron_fields("*/20 8-10 1,15 jan-mar/2 *")
    assert fields["minute"] == "0,20,40"
    assert fields["hour"] == "8,9,10"
    assert fields["day"] == "1,15"
    assert fields["month"] == "1,3"
    assert cron_fields("5/30 * * * *")["minute"] == "5,35"


def test_a_sunday_comes_on_a_sunday_in_its_time_zone() -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    trigger = CronTrigger(**cron_fields("30 3 * * 0"), timezone="Europe/Berlin")
    now = datetime.datetime(2026, 3, 23, tzinfo=berlin)  # a Monday, before the clocks go forward
    due = trigger.get_next_fire_time(None, now)
    assert due == datetime.datetime(2026, 3, 29, 3, 30, tzinfo=berlin)
    assert due.utcoffset() == datetime.timedelta(hours=2)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 3 * *", "4 fields, expected 5"),
        ("60 3 * * *", "minute: '60', expected numbers from 0 to 59"),
        ("0 3 * * 8", "day of week: '8', expected numbers from 0 to 7"),
        ("0 3 0 * *", "day of month: '0'"),
        ("0 3 * foo *", "month: 'foo'"),
        ("0 5-3 * * *", "hour: '5-3'"),
        ("*/0 3 * * *", "minute: '*/0'"),
        ("0 3 1 * 1", "a day of month and a day of week"),
        ("0 3 30 2 *", "no month has such a day"),
        ("", "0 fields"),
        ("-1 3 * * *", "minute: '-1'"),
        ("0 3 * * mon-", "day of week: 'mon-'"),
    ],
)
def test_bad_lines_are_told_why(line: str, why: str) -> None:
    assert why_no_cron(line).startswith(why)
