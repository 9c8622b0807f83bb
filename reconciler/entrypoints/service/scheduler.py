"""When each sweep and chore runs. This is the only module that uses APScheduler.

The jobs are kept in memory, their times are UTC. A tick that comes while the job still runs is left out. Several late
ticks become one.
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
from reconciler.domain.read_limits_and_shortage import tail_interval
from reconciler.engine.report import SweepKind
from reconciler.settings import Settings

STEP_SECONDS: Final = 2.0
"""If the wall clock gains or loses more than this against the monotonic clock, a person or NTP has set it."""

SAME_INTERVAL: Final = 0.02
"""A smaller relative change of an interval is ignored: rescheduling would only delay the next run."""

_EVENTS: Final = {
    EVENT_JOB_ERROR: "failed",
    EVENT_JOB_MISSED: "missed",
    EVENT_JOB_MAX_INSTANCES: "skipped",
}


class Chore(Enum):
    """Scheduled work of the service that is not a sweep."""

    HOUSEKEEPING = "housekeeping"
    DELIVER = "deliver"


def _always(_settings: Settings) -> bool:
    return True


def _has_endpoint(settings: Settings) -> bool:
    return settings.delivery.url is not None


@dataclass(frozen=True, slots=True)
class Job:
    """A sweep or chore that is repeated.

    ``interval`` takes the settings and the reads that the account may spend in 30 days. ``is_enabled`` is whether the
    service has the job under these settings.
    """

    name: str
    interval: Callable[[Settings, int], timedelta]
    kind: SweepKind | Chore
    is_enabled: Callable[[Settings], bool] = _always


def configured_tail_interval(settings: Settings, allowed: int) -> timedelta:
    """The time between two tail sweeps: as configured, or longer if ``allowed`` reads in 30 days are too few for that."""
    return tail_interval(settings.service.tail, allowed)


TAIL: Final = Job("tail", configured_tail_interval, SweepKind.TAIL)
JOBS: Final = (
    TAIL,
    Job("due", lambda settings, _: settings.service.due, SweepKind.DUE),
    Job("window", lambda settings, _: settings.service.window, SweepKind.WINDOW),
    Job("housekeeping", lambda settings, _: settings.service.housekeeping, Chore.HOUSEKEEPING),
    Job("deliver", lambda settings, _: settings.delivery.every, Chore.DELIVER, _has_endpoint),
)
"""Every job of an account."""


class _Scheduler(BackgroundScheduler):  # type: ignore[misc]
    # APScheduler's own ``running`` stays true after its thread has died

    @property
    def is_thread_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()


class SweepScheduler:
    """The jobs of all accounts.

    ``on_event`` is called with a job's full name, ``ACCOUNT:JOB``, and "failed", "missed" or "skipped".
    ``on_failure`` is called with the account, the name of the job, and the unexpected error that ended it.
    """

    def __init__(
        self,
        clock: Clock,
        accounts: int,
        on_event: Callable[[str, str], None],
        on_failure: Callable[[str, str, BaseException], None] = lambda *_: None,
    ) -> None:
        self._clock = clock
        self._on_event = on_event
        self._on_failure = on_failure
        self._offset_seconds = self._wall_minus_monotonic()
        self._scheduler = _Scheduler(
            timezone="UTC",
            jobstores={"default": MemoryJobStore()},
            # a thread for each job: no job waits for another one to end
            executors={"default": ThreadPoolExecutor(max(1, accounts) * len(JOBS))},
            # a late tick still runs, and never two at once
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
        )
        self._scheduler.add_listener(
            self._forward, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES
        )

    def start(self) -> None:
        """Start to run the jobs."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start no further job. Running jobs go on; the caller waits for them, with a limit of its own."""
        self._scheduler.shutdown(wait=False)

    @property
    def is_alive(self) -> bool:
        """Whether the scheduler's thread runs."""
        return bool(self._scheduler.is_thread_alive)

    def add(
        self,
        account: str,
        job: Job,
        interval: timedelta,
        first_in_seconds: float,
        run: Callable[[], None],
    ) -> None:
        """Run an account's job at this interval, for the first time in so many seconds."""
        # replace_existing: a lease may come back before the jobs of the last one were removed
        self._scheduler.add_job(
            run,
            "interval",
            seconds=interval.total_seconds(),
            id=_name(account, job.name),
            name=_name(account, job.name),
            next_run_time=self._clock.now() + timedelta(seconds=max(0.0, first_in_seconds)),
            replace_existing=True,
        )

    def set_interval(self, account: str, job: Job, interval: timedelta) -> bool:
        """Change the interval of an account's job; whether it was changed.

        It is not if the job is not scheduled, or has about this interval already.
        """
        found = self._scheduler.get_job(_name(account, job.name))
        if found is None or abs(found.trigger.interval - interval) <= SAME_INTERVAL * interval:
            return False
        # the job may have been removed meanwhile, by the thread that gives the lease back
        with contextlib.suppress(JobLookupError):
            found.reschedule("interval", seconds=interval.total_seconds(), timezone="UTC")
        return True

    def remove_all(self, account: str) -> None:
        """Remove the jobs of an account. A running sweep goes on."""
        for job in JOBS:
            # a job that is not enabled was never added
            with contextlib.suppress(JobLookupError):
                self._scheduler.remove_job(_name(account, job.name))

    def follow_clock(self) -> float:
        """If the wall clock was set, move every job by as much; returns the seconds, 0 if it was not set.

        Otherwise a clock set back by an hour would delay every job by an hour.
        """
        step = self._wall_minus_monotonic() - self._offset_seconds
        if abs(step) < STEP_SECONDS:
            return 0.0

        self._offset_seconds += step
        for job in self._scheduler.get_jobs():
            with contextlib.suppress(JobLookupError):
                job.modify(next_run_time=job.next_run_time + timedelta(seconds=step))
        return step

    def _wall_minus_monotonic(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _forward(self, event: JobEvent | Any) -> None:
        name = str(event.job_id)
        self._on_event(name, _EVENTS.get(event.code, "failed"))
        if event.code == EVENT_JOB_ERROR:
            account, _, job = name.partition(":")
            self._on_failure(account, job, event.exception)


def _name(account: str, job: str) -> str:
    return f"{account}:{job}"
