"""When which pass is made: APScheduler with its pitfalls avoided. The only module that knows it.

Times are UTC and in memory. A tick that comes while its sweep still runs is left out; late ticks become one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.background import BackgroundScheduler

from reconciler.clock import Clock
from reconciler.domain.quota.source_priority import tail_interval
from reconciler.engine.report import SweepKind
from reconciler.settings import Settings

STEP_SECONDS: Final = 2.0
"""A wall clock that gains or loses more than this against the monotonic one has been set."""

STEADY: Final = 0.02
"""A smaller change of a pace is none: the job would only lose its place."""

_EVENTS: Final = {
    EVENT_JOB_ERROR: "failed",
    EVENT_JOB_MISSED: "missed",
    EVENT_JOB_MAX_INSTANCES: "skipped",
}


class Chore(Enum):
    """Work of the service that is no sweep."""

    HOUSEKEEPING = "housekeeping"
    DELIVER = "deliver"


def _always(_settings: Settings) -> bool:
    return True


def _delivers(settings: Settings) -> bool:
    return settings.delivery.url is not None


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is done again and again: a sweep, or a chore. It is there only where it ``exists``.

    ``every`` is told the reads that we may spend in 30 days.
    """

    name: str
    every: Callable[[Settings, int], timedelta]
    kind: SweepKind | Chore
    exists: Callable[[Settings], bool] = _always


def tail_every(settings: Settings, allowed: int) -> timedelta:
    """How often the tail is read: as configured, and no faster than ``allowed`` reads in 30 days let it be."""
    return tail_interval(settings.service.tail, allowed)


TAIL: Final = Job("tail", tail_every, SweepKind.TAIL)
JOBS: Final = (
    TAIL,
    Job("due", lambda settings, _: settings.service.due, SweepKind.DUE),
    Job("window", lambda settings, _: settings.service.window, SweepKind.WINDOW),
    Job("housekeeping", lambda settings, _: settings.service.housekeeping, Chore.HOUSEKEEPING),
    Job("deliver", lambda settings, _: settings.delivery.every, Chore.DELIVER, _delivers),
)
"""A new cadence is a line here."""


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    """APScheduler, which goes on saying that it runs when its thread has died."""

    @property
    def thread_lives(self) -> bool:
        return self._thread is not None and self._thread.is_alive()


class SweepScheduler:
    """The jobs of all accounts. ``heard`` is called with a job's name and "failed", "missed" or "skipped"."""

    def __init__(self, clock: Clock, accounts: int, heard: Callable[[str, str], None]) -> None:
        self._clock = clock
        self._heard = heard
        self._offset = self._wall_ahead()
        self._scheduler = _Scheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            executors={"default": ThreadPoolExecutor(max(1, accounts) * len(JOBS))},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(
            self._listen, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )

    def start(self) -> None:
        """Let time run."""
        self._scheduler.start()

    def stop(self) -> None:
        """Begin nothing more. What runs goes on: whoever stops the service waits for it, with a limit."""
        self._scheduler.shutdown(wait=False)

    @property
    def lives(self) -> bool:
        """Whether the scheduler's thread is there."""
        return bool(self._scheduler.thread_lives)

    def put(
        self, account: str, job: Job, every: timedelta, first_in: float, run: Callable[[], None]
    ) -> None:
        """Run a job of an account every so often, for the first time in so many seconds."""
        self._scheduler.add_job(
            run,
            "interval",
            seconds=every.total_seconds(),
            id=_name(account, job.name),
            name=_name(account, job.name),
            next_run_time=self._clock.now() + timedelta(seconds=max(0.0, first_in)),
            replace_existing=True,
        )

    def set_interval(self, account: str, job: Job, every: timedelta) -> bool:
        """Run a job of an account so often from now on; whether that is something new, and the job is there."""
        found = self._scheduler.get_job(_name(account, job.name))
        if found is None or abs(found.trigger.interval - every) <= STEADY * every:
            return False
        with contextlib.suppress(JobLookupError):
            found.reschedule("interval", seconds=every.total_seconds(), timezone="UTC")
        return True

    def drop(self, account: str) -> None:
        """Forget the jobs of an account. A sweep that runs is not touched."""
        for job in JOBS:
            with contextlib.suppress(JobLookupError):
                self._scheduler.remove_job(_name(account, job.name))

    def follow_clock(self) -> float:
        """Move every job along with a wall clock that was set; by how many seconds, 0 where it was not.

        By itself a clock set back by an hour would leave all jobs waiting for that hour.
        """
        step = self._wall_ahead() - self._offset
        if abs(step) < STEP_SECONDS:
            return 0.0
        self._offset += step
        for job in self._scheduler.get_jobs():
            with contextlib.suppress(JobLookupError):
                job.modify(next_run_time=job.next_run_time + timedelta(seconds=step))
        return step

    def _wall_ahead(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _listen(self, event: JobEvent | Any) -> None:
        self._heard(str(event.job_id), _EVENTS.get(event.code, "failed"))


def _name(account: str, job: str) -> str:
    return f"{account}:{job}"
