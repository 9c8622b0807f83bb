"""The timetable: APScheduler without its surprises."""

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


class SetClock(SystemClock):
    """The machine's clock after somebody has set it."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.fixture
def heard() -> queue.Queue[tuple[str, str]]:
    return queue.Queue()


def test_a_job_that_raises_is_told_and_comes_again(heard: queue.Queue[tuple[str, str]]) -> None:
    """A defect in one sweep ends neither the job nor the scheduler."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: heard.put((job, event)))
    runs: queue.Queue[int] = queue.Queue()

    def broken() -> None:
        runs.put(1)
        raise ZeroDivisionError

    scheduler.put("default", JOB, OFTEN, 0, broken)
    scheduler.start()
    assert heard.get(timeout=SOON) == ("default:due", "failed")
    assert [runs.get(timeout=SOON) for _ in range(3)] == [1, 1, 1]
    assert scheduler.lives
    scheduler.stop()


def test_a_job_that_overruns_is_not_begun_twice(heard: queue.Queue[tuple[str, str]]) -> None:
    """While a sweep runs its next ticks are left out, and told."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: heard.put((job, event)))
    end, begun = threading.Event(), queue.Queue[int]()

    def long() -> None:
        begun.put(1)
        end.wait(SOON)

    scheduler.put("default", JOB, OFTEN, 0, long)
    scheduler.start()
    assert heard.get(timeout=SOON) == ("default:due", "skipped")
    assert begun.qsize() == 1
    scheduler.drop("default")
    end.set()
    scheduler.stop()


def test_a_scheduler_that_died_is_noticed() -> None:
    """APScheduler says that it runs when its thread has ended; we look at the thread."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda _job, _event: None)
    scheduler.start()
    assert scheduler.lives
    scheduler.stop()
    assert not scheduler.lives


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(hours=1)])
def test_a_clock_that_was_set_moves_the_jobs_along(step: timedelta) -> None:
    """Set back by an hour, a job would wait for that hour; set forward, it would hurry. It keeps its pace instead."""
    clock = SetClock()
    scheduler = SweepScheduler(clock, 1, lambda _job, _event: None)
    scheduler.put("default", JOB, timedelta(minutes=5), 60, lambda: None)
    scheduler.start()
    (job,) = scheduler._scheduler.get_jobs()
    before = job.next_run_time
    assert scheduler.follow_clock() == 0
    clock.by = step
    assert scheduler.follow_clock() == pytest.approx(step.total_seconds(), abs=60)
    (job,) = scheduler._scheduler.get_jobs()
    assert abs(job.next_run_time - before - step) < timedelta(seconds=60)
    assert scheduler.follow_clock() == 0
    scheduler.stop()


def test_late_ticks_are_one(heard: queue.Queue[tuple[str, str]]) -> None:
    """Whatever was missed while the machine slept is made up for by one sweep, however late it is."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: heard.put((job, event)))
    runs: queue.Queue[datetime] = queue.Queue()
    scheduler.put("default", JOB, timedelta(seconds=3600), 0, lambda: runs.put(datetime.now(UTC)))
    (job,) = scheduler._scheduler.get_jobs()
    job.modify(next_run_time=datetime.now(UTC) - timedelta(hours=50))
    scheduler.start()
    runs.get(timeout=SOON)
    with pytest.raises(queue.Empty):
        runs.get(timeout=0.3)
    assert heard.empty()
    scheduler.stop()


def test_every_net_has_its_job() -> None:
    """No kind of sweep is forgotten, and no chore; "all" is not one of its own."""
    assert {job.kind for job in JOBS} == {*SweepKind, *Chore} - {SweepKind.ALL}


def test_nothing_is_delivered_where_no_endpoint_is_configured() -> None:
    """The outbox is left to a worker of the merchant's unless somebody names an endpoint."""
    (deliver,) = (job for job in JOBS if job.kind is Chore.DELIVER)
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})
    assert not deliver.exists(settings)
    endpoint = DeliverySection(url="https://shop.example/reconciler")
    assert deliver.exists(replace(settings, delivery=endpoint))


def test_a_pace_is_changed_where_it_is_another(heard: queue.Queue[tuple[str, str]]) -> None:
    """A job goes on at its new pace; one that has that pace already, or is not there, is left alone."""
    scheduler = SweepScheduler(SystemClock(), 1, lambda job, event: heard.put((job, event)))
    runs: queue.Queue[int] = queue.Queue()
    hour = timedelta(hours=1)
    scheduler.put("default", JOB, hour, hour.total_seconds(), lambda: runs.put(1))
    scheduler.start()
    assert not scheduler.set_interval("default", JOB, hour * 1.01)
    assert not scheduler.set_interval("other", JOB, OFTEN)
    assert scheduler.set_interval("default", JOB, OFTEN)
    assert [runs.get(timeout=SOON) for _ in range(2)] == [1, 1]
    scheduler.stop()
