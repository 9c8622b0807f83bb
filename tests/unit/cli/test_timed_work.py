"""A command that waits says what for, and ends at its time limit."""

from __future__ import annotations

import threading

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.timed_work import TimedWork, TimeLimitError
from reconciler.errors import UsageError


class ScriptedClock(SystemClock):
    """Each wait ends at once; the work is done in the wait of this number, never for 0."""

    def __init__(self, done_in: int) -> None:
        self.done_in = done_in
        self.waits: list[float] = []
        self.go = threading.Event()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        if len(self.waits) != self.done_in:
            return False
        self.go.set()
        return event.wait(10)


def run(clock: ScriptedClock, seconds: float) -> str:
    def work() -> str:
        clock.go.wait(10)
        return "done"

    timed = TimedWork[str](clock, waits_for="Stripe")
    try:
        return timed.run(work, seconds)
    finally:
        assert timed.stopping.is_set()
        clock.go.set()


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Within 5 s nothing is written."""
    clock = ScriptedClock(1)
    assert run(clock, 30) == "done"
    assert (clock.waits, capsys.readouterr().err) == ([5], "")


def test_slow_work_says_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """After 5 s one line says what the command waits for, and until when."""
    clock = ScriptedClock(2)
    assert run(clock, 30) == "done"
    assert clock.waits == [5, 25]
    assert capsys.readouterr().err == "reconciler: waiting for Stripe, for at most 30 s.\n"


@pytest.mark.parametrize(("seconds", "waits"), [(30, [5, 25]), (2, [2])])
def test_the_time_limit_ends_it(seconds: float, waits: list[float]) -> None:
    """The work goes on alone; the command ends with 75 and says how to wait longer."""
    clock = ScriptedClock(0)
    with pytest.raises(TimeLimitError, match=f"Stripe did not answer within {seconds} s") as caught:
        run(clock, seconds)
    assert (clock.waits, int(caught.value.exit_code)) == (waits, 75)


def test_an_error_of_the_work_is_the_commands() -> None:
    """It is raised where the result was awaited."""

    def work() -> None:
        raise UsageError("no such thing")

    with pytest.raises(UsageError, match="no such thing"):
        TimedWork[None](SystemClock()).run(work, 30)
