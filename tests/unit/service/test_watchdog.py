"""The watchdog's view of the service: what makes progress and what is stuck."""

from __future__ import annotations

from datetime import timedelta

from reconciler.clock import ManualClock
from reconciler.engine.health.watchdog import Pulse
from tests.unit.engine.doubles import NOW


def test_a_sweep_that_makes_progress_is_not_stuck() -> None:
    """Pages and reads both count as progress; a sweep without either for longer than the limit is stuck."""
    clock, reads = ManualClock(NOW), [0]
    pulse = Pulse(clock, 60)
    with pulse.watching("default:due", lambda: reads[0]) as progress:
        clock.advance(timedelta(seconds=50))
        progress.advance(10, None)
        clock.advance(timedelta(seconds=50))
        assert pulse.stuck() == ()

        reads[0] += 1
        clock.advance(timedelta(seconds=50))
        assert pulse.stuck() == ()

        clock.advance(timedelta(seconds=61))
        assert pulse.stuck() == ("default:due",)
        assert pulse.running() == ("default:due",)
    assert pulse.stuck() == ()
    assert pulse.running() == ()


def test_other_work_without_a_step_is_stuck() -> None:
    """A thread's loop is watched as a sweep is, but does not count as a sweep; while it rests it is never stuck."""
    clock = ManualClock(NOW)
    pulse = Pulse(clock, 60)
    with pulse.attending("account default") as steps:
        assert pulse.running() == ()

        clock.advance(timedelta(seconds=50))
        steps.advance()
        clock.advance(timedelta(seconds=50))
        assert pulse.stuck() == ()

        with steps.resting():
            clock.advance(timedelta(hours=1))
            assert pulse.stuck() == ()
        assert pulse.stuck() == ()

        clock.advance(timedelta(seconds=61))
        assert pulse.stuck() == ("account default",)
        assert pulse.running() == ()
    assert pulse.stuck() == ()


def test_a_second_thread_of_the_same_name_does_not_hide_a_stuck_one() -> None:
    """After a reload the old thread may hang beside the new one: it counts as stuck until it ends."""
    clock = ManualClock(NOW)
    pulse = Pulse(clock, 60)
    with pulse.attending("replicas"):
        clock.advance(timedelta(seconds=61))
        with pulse.attending("replicas"):
            assert pulse.stuck() == ("replicas",)
        assert pulse.stuck() == ("replicas",)
