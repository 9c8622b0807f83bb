"""Ctrl-C, SIGTERM and the end of the terminal for a command: what they raise, and until when."""

from __future__ import annotations

import atexit
import signal
from typing import Final, NoReturn

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A person or the system asked the command to end.

    A class of its own, because of ``exec`` and ``eval`` of a text, which dataclasses and named tuples do when a module is
    read: Python remembers a plain KeyboardInterrupt that leaves one, and at the end of ``python -m`` it kills the process
    by SIGINT although the exception was handled. It does not remember a subclass (``run_eval_code_obj`` in its pythonrun.c).
    """


def raise_on_interrupt() -> None:
    """Let Ctrl-C raise Interrupted from now on. For the first instant, while the modules of the command are read."""
    # a shell ignores SIGINT for what it starts in the background
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    # the first one registered is called last
    atexit.register(end_undisturbed)


def raise_on_termination() -> None:
    """Make SIGTERM, and the end of the terminal, end a command as Ctrl-C does.

    So a sweep finishes its page, gives its lease back, and still prints its report.
    """
    # run is not affected: the service blocks its signals and reads them itself
    signal.signal(signal.SIGTERM, _interrupt)
    # nohup ignores SIGHUP on purpose, and the command then outlives its terminal
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _interrupt)


def keep_exit_code() -> None:
    """Let no signal change the exit code any more, because the command is done. Raises Interrupted if one has come before."""
    for number in _SIGNALS:
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, _do_nothing)


def end_undisturbed() -> None:
    """Ignore these signals from now on, because the process is at its end."""
    # Python restores the default of every signal that has a handler before it ends, and the default kills
    for number in _SIGNALS:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # a second one would interrupt the end that the first has begun; that end has a limit of its own
    end_undisturbed()
    raise Interrupted


def _do_nothing(_number: int, _frame: object) -> None:
    # not ignored by the system: wiring.stop_signal still sees the signal, and ends a process that does not end by itself
    pass
