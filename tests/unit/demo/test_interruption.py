"""Ctrl-C and SIGTERM during a demonstration."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable

import pytest

from reconciler.demo.interruption import Interruption

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def _interrupted(block: Callable[[Interruption], None]) -> None:
    """Run a block under an interruption, and see that it ends as by Ctrl-C."""

    def run() -> None:
        with Interruption() as interruption:
            block(interruption)

    with pytest.raises(KeyboardInterrupt):
        run()


@BOTH
def test_where_it_is_welcome_it_takes_effect_at_once(number: signal.Signals) -> None:
    """What runs is ended by KeyboardInterrupt, as by Ctrl-C."""
    done = []

    def block(interruption: Interruption) -> None:
        with interruption.welcome():
            signal.raise_signal(number)
            done.append("more")
        done.append("still more")

    _interrupted(block)
    assert done == []


@BOTH
def test_elsewhere_it_waits(number: signal.Signals) -> None:
    """What is being begun or put away is brought to its end first."""
    done = []

    def block(_: Interruption) -> None:
        signal.raise_signal(number)
        done.append("put away")

    _interrupted(block)
    assert done == ["put away"]


def test_one_that_has_come_before_keeps_the_next_block_from_beginning() -> None:
    """It is not forgotten until somebody welcomes it."""
    done = []

    def block(interruption: Interruption) -> None:
        signal.raise_signal(signal.SIGTERM)
        done.append("begun")
        with interruption.welcome():
            done.append("worked")

    _interrupted(block)
    assert done == ["begun"]


def test_a_second_one_does_not_disturb_the_cleaning() -> None:
    """An impatient person presses twice, and still nothing is left behind."""
    done = []

    def block(interruption: Interruption) -> None:
        try:
            with interruption.welcome():
                signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("put away")

    _interrupted(block)
    assert done == ["put away"]


def test_one_that_was_swallowed_can_still_take_effect() -> None:
    """A sweep that is interrupted ends with a report; the demonstration must end all the same."""
    done = []

    def block(interruption: Interruption) -> None:
        with interruption.welcome():
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            done.append("reported")
            interruption.take_effect()
            done.append("judged")

    _interrupted(block)
    assert done == ["reported"]


def test_the_handlers_that_were_there_come_back() -> None:
    """After the block, both signals do what they did before it."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_error_is_not_hidden_by_an_interruption() -> None:
    """What went wrong is told, even if a signal came with it."""

    def run() -> None:
        with Interruption():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run()


def test_in_another_thread_it_does_nothing() -> None:
    """Python gives signals to the main thread alone."""
    seen = []

    def work() -> None:
        with Interruption() as interruption, interruption.welcome():
            seen.append(interruption.has_come)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
