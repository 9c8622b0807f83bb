"""The scheduler: APScheduler, with its surprises handled."""

from __future__ import annotations

import queue
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.clock import SystemClock
from reconciler.engine.report import SweepKind
from reconciler.entrypoints.service.scheduler import JOBS, Chore, Job, SweepScheduler
from reconciler.settings import DeliverySection, load
from tests.unit.settings.configuration import ENVIRON, EXAMPLE

SOON = 20.0
OFTEN = timedelta(seconds=0.05)
JOB = Job("due", lambda *_: OFTEN, SweepKind.DUE)


class AdjustableClock(SystemClock):
    """The machine's clock, which a test can set."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.offset


@pytest.fixture
def events() -> queue.Queue[tuple[str, str]]:
    return queue.Queue()


def test_a_job_that_raises_is_reported_and_runs_again(events: queue.Queue[tuple[str, str]]) -> None:
    """A bug in one sweep ends neither the job nor the scheduler."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: events.put((job, event)))
    runs: queue.Queue[int] = queue.Queue()

    def broken() -> None:
        runs.put(1)
        raise ZeroDivisionError

    scheduler.add("default", JOB, OFTEN, 0, broken)
    scheduler.start()
    assert events.get(timeout=SOON) == ("default:due", "failed")
    assert [runs.get(timeout=SOON) for _ in range(3)] == [1, 1, 1]
    assert scheduler.is_alive

    scheduler.stop()


def test_a_long_job_is_not_started_twice(events: queue.Queue[tuple[str, str]]) -> None:
    """While a sweep runs its next ticks are left out, and reported."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: events.put((job, event)))
    end, runs = threading.Event(), queue.Queue[int]()

    def long() -> None:
        runs.put(1)
        end.wait(SOON)

    scheduler.add("default", JOB, OFTEN, 0, long)
    scheduler.start()
    assert events.get(timeout=SOON) == ("default:due", "skipped")
    assert runs.qsize() == 1

    scheduler.remove_all("default")
    end.set()
    scheduler.stop()


def test_a_dead_scheduler_is_noticed() -> None:
    """APScheduler still says that it runs after its thread has ended, so the thread itself is checked."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda _job, _event: None)
    scheduler.start()
    assert scheduler.is_alive
    scheduler.stop()
    assert not scheduler.is_alive


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)])
def test_jobs_follow_a_clock_that_was_set(step: timedelta) -> None:
    """Otherwise a clock set back by an hour delays every job by an hour; one set forward starts them too early."""
    clock = AdjustableClock()
    scheduler = SweepScheduler(clock, 1, lambda _job, _event: None)
    scheduler.add("default", JOB, timedelta(minutes=5), 60, lambda: None)
    scheduler.start()
    (job,) = scheduler._scheduler.get_jobs()
    before = job.next_run_time
    assert scheduler.follow_clock() == 0

    clock.offset = step
    assert scheduler.follow_clock() == pytest.approx(step.total_seconds(), abs=60)

    (job,) = scheduler._scheduler.get_jobs()
    assert abs(job.next_run_time - before - step) < timedelta(seconds=60)
    assert scheduler.follow_clock() == 0

    scheduler.stop()


def test_several_late_ticks_become_one(events: queue.Queue[tuple[str, str]]) -> None:
    """After the machine has slept, one sweep makes up for all missed ticks, however late it is."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: events.put((job, event)))
    runs: queue.Queue[datetime] = queue.Queue()
    scheduler.add("default", JOB, timedelta(seconds=3600), 0, lambda: runs.put(datetime.now(UTC)))
    (job,) = scheduler._scheduler.get_jobs()
    job.modify(next_run_time=datetime.now(UTC) - timedelta(hours=50))
    scheduler.start()
    runs.get(timeout=SOON)
    with pytest.raises(queue.Empty):
        runs.get(timeout=0.3)
    assert events.empty()
    scheduler.stop()


def test_every_kind_of_sweep_has_a_job() -> None:
    """Every kind of sweep and every chore has a job; "all" has none, because it only joins the others."""
    assert {job.kind for job in JOBS} == {*SweepKind, *Chore} - {SweepKind.ALL}


def test_nothing_is_delivered_unless_an_endpoint_is_configured() -> None:
    """Without a configured endpoint the outbox is left to the merchant's own worker."""
    (deliver,) = (job for job in JOBS if job.kind is Chore.DELIVER)
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})
    assert not deliver.is_enabled(settings)
    endpoint = DeliverySection(url="https://shop.example/reconciler")
    assert deliver.is_enabled(replace(settings, delivery=endpoint))


def test_an_interval_is_changed_only_if_it_differs(events: queue.Queue[tuple[str, str]]) -> None:
    """A job goes on at its new interval; one that has about that interval, or is not scheduled, is left alone."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: events.put((job, event)))
    runs: queue.Queue[int] = queue.Queue()
    hour = timedelta(hours=1)
    scheduler.add("default", JOB, hour, hour.total_seconds(), lambda: runs.put(1))
    scheduler.start()
    assert not scheduler.set_interval("default", JOB, hour * 1.01)
    assert not scheduler.set_interval("other", JOB, OFTEN)
    assert scheduler.set_interval("default", JOB, OFTEN)
    assert [runs.get(timeout=SOON) for _ in range(2)] == [1, 1]
    scheduler.stop()
