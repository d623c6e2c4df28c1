"""The instants at which a cron line is due in a time zone, also where its clocks change.

APScheduler's CronTrigger steps through local times as if every day had 24 hours, and so misses a
day whose midnight the clocks skip. Here it steps through a clock that never changes; each time it
gives is then looked up in the zone.
"""

import datetime
import zoneinfo
from collections.abc import Iterator

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from schemas.cron import cron_fields

_UTC = datetime.timezone.utc
_EARLIEST_STEP = datetime.timedelta(microseconds=1)
_ABOUT_A_DAY = datetime.timedelta(hours=26)  # no clock is changed twice within it


class ZonedCronTrigger(BaseTrigger):
    """When the cron line `line` is due in the time zone `zone`.

    A line that names hours is due once for each time that it names: a time that the clocks skip as
    much later as they skip, a time that they repeat when it comes first. A line for every hour
    follows the clocks: it is due in repeated hours again, and in skipped ones not at all.
    """

    def __init__(self, line: str, zone: str) -> None:
        fields = cron_fields(line)
        self.line, self.zone = line, zone
        self._zone = zoneinfo.ZoneInfo(zone)
        self._clock = CronTrigger(**fields, timezone=_UTC)
        self._is_hourly = len(fields["hour"].split(",")) == 24

    def get_next_fire_time(
        self, previous_fire_time: datetime.datetime | None, now: datetime.datetime
    ) -> datetime.datetime | None:
        """The first instant after `previous_fire_time`, or from `now` on where that is None."""
        start = now.astimezone(_UTC)
        if previous_fire_time is not None:
            start = previous_fire_time.astimezone(_UTC) + _EARLIEST_STEP
        local = self._wall_time(start)
        found = None
        for wall_time in self._times_of_the_clock(local - self._longest_change(start)):
            due = [instant for instant in self._instants(wall_time) if instant >= start]
            found = min([*due, *([found] if found else [])], default=None)
            if found is not None and wall_time >= local and not self._is_skipped(wall_time):
                return found.astimezone(self._zone)
        return found

    def has_times_of(self, stored: BaseTrigger) -> bool:
        """Whether `stored` is for the same line and zone; it may be a CronTrigger that an earlier
        version of Auricle stored.
        """
        if isinstance(stored, CronTrigger):
            return (str(stored), str(stored.timezone)) == (str(self._clock), self.zone)
        return isinstance(stored, ZonedCronTrigger) and stored.__getstate__() == self.__getstate__()

    def _times_of_the_clock(self, first: datetime.datetime) -> Iterator[datetime.datetime]:
        """The times that the line names from `first` on, on a clock that never changes."""
        time = self._clock.get_next_fire_time(None, first.replace(tzinfo=_UTC))
        while time is not None:
            yield time.replace(tzinfo=None)
            time = self._clock.get_next_fire_time(time, time + _EARLIEST_STEP)

    def _instants(self, wall_time: datetime.datetime) -> list[datetime.datetime]:
        """When it is `wall_time` in the zone, and due."""
        passes = [wall_time.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1)]
        if not self._is_hourly:
            passes = passes[:1]
        elif self._is_skipped(wall_time):
            passes = []
        return [time.astimezone(_UTC) for time in passes]

    def _is_skipped(self, wall_time: datetime.datetime) -> bool:
        """Whether the clocks of the zone never show it."""
        instant = wall_time.replace(tzinfo=self._zone).astimezone(_UTC)
        return self._wall_time(instant) != wall_time

    def _wall_time(self, instant: datetime.datetime) -> datetime.datetime:
        return instant.astimezone(self._zone).replace(tzinfo=None)

    def _longest_change(self, instant: datetime.datetime) -> datetime.timedelta:
        """How far the clocks are moved around `instant`, forward or back."""
        around = (instant - _ABOUT_A_DAY, instant, instant + _ABOUT_A_DAY)
        offsets = [self._wall_time(time) - time.replace(tzinfo=None) for time in around]
        return max(offsets) - min(offsets)

    def __getstate__(self) -> tuple[str, str]:
        return self.line, self.zone

    def __setstate__(self, state: tuple[str, str]) -> None:
        self.__init__(*state)  # type: ignore[misc]
