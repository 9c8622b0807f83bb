"""Ctrl-C, SIGTERM and the end of the terminal during a demonstration."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable

import pytest

from reconciler.demo.interruption import Interruption

EACH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])


def _expect_interrupt(block: Callable[[Interruption], None]) -> None:
    """Run a block inside an Interruption, and check that it ends with KeyboardInterrupt."""

    def run() -> None:
        with Interruption() as interruption:
            block(interruption)

    with pytest.raises(KeyboardInterrupt):
        run()


@EACH
def test_an_allowed_signal_takes_effect_at_once(number: signal.Signals) -> None:
    """Inside ``allowed`` a signal raises KeyboardInterrupt, as Ctrl-C does."""
    done = []

    def block(interruption: Interruption) -> None:
        with interruption.allowed():
            signal.raise_signal(number)
            done.append("more")
        done.append("still more")

    _expect_interrupt(block)
    assert done == []


@EACH
def test_elsewhere_a_signal_is_delayed(number: signal.Signals) -> None:
    """Set-up and cleanup are brought to their end first."""
    done = []

    def block(_: Interruption) -> None:
        signal.raise_signal(number)
        done.append("removed")

    _expect_interrupt(block)
    assert done == ["removed"]


def test_an_earlier_signal_keeps_the_allowed_block_from_starting() -> None:
    """A delayed signal takes effect when ``allowed`` is entered."""
    done = []

    def block(interruption: Interruption) -> None:
        signal.raise_signal(signal.SIGTERM)
        done.append("begun")
        with interruption.allowed():
            done.append("worked")

    _expect_interrupt(block)
    assert done == ["begun"]


def test_a_second_signal_does_not_interrupt_the_cleanup() -> None:
    """A person presses Ctrl-C twice, and still everything is removed."""
    done = []

    def block(interruption: Interruption) -> None:
        try:
            with interruption.allowed():
                signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            done.append("removed")

    _expect_interrupt(block)
    assert done == ["removed"]


def test_a_caught_interrupt_can_be_raised_again() -> None:
    """An interrupted sweep ends with a report instead of the exception; the demonstration must end as well."""
    done = []

    def block(interruption: Interruption) -> None:
        with interruption.allowed():
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
            done.append("reported")
            interruption.raise_if_requested()
            done.append("judged")

    _expect_interrupt(block)
    assert done == ["reported"]


def test_the_previous_handlers_are_restored() -> None:
    """After the block both signals have the handlers that they had before it."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As SIGINT in the background of a shell, and SIGHUP after nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
        assert not interruption.was_requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_is_not_hidden_by_a_signal() -> None:
    """The block's own error is raised, even if a signal came as well."""

    def run() -> None:
        with Interruption():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run()


def test_in_another_thread_it_does_nothing() -> None:
    """Python delivers signals only to the main thread."""
    seen = []

    def work() -> None:
        with Interruption() as interruption, interruption.allowed():
            seen.append(interruption.was_requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
