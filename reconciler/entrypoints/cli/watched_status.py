"""``status --watch``: shows a state again and again; while the database does not answer, the last one with its age."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from reconciler.clock import Clock
from reconciler.engine.health.status import duration_text
from reconciler.entrypoints.cli.output import warn_of_error, write_line
from reconciler.errors import ReconcilerError
from reconciler.exit_codes import ExitCode

_CLEAR: Final = "\x1b[H\x1b[2J"
"""Moves a terminal's cursor to its first line, and empties the screen."""

State = TypeVar("State")


@dataclass(slots=True)
class _Watched(Generic[State]):
    """The last state and when it was read; the begin of the outage that lasts; the last outage that is over."""

    last: tuple[datetime, State] | None = None
    away_since: datetime | None = None
    last_outage: tuple[datetime, datetime] | None = None


def watch(
    clock: Clock, seconds: float, read: Callable[[], State], show: Callable[[State], int]
) -> int:
    """Read a state and show it, every so many seconds, until Ctrl-C. Returns the exit code of the last one.

    ``show`` returns the exit code of a state. An error of ``read`` after which another try can help is an outage, with the exit
    code of the error; every other error is raised.
    """
    code = int(ExitCode.DONE)
    watched: _Watched[State] = _Watched()
    try:
        while True:
            now = clock.now()
            error: ReconcilerError | None = None
            try:
                state = read()
            except ReconcilerError as met:
                if met.exit_code is not ExitCode.TEMPORARY:
                    raise
                error = met
                watched.away_since = watched.away_since or now
            else:
                watched.last = (now, state)
                if watched.away_since is not None:
                    watched.last_outage = (watched.away_since, now)
                    watched.away_since = None

            # emptied only now: a database that hangs leaves the old state on the screen
            if sys.stdout.isatty():
                sys.stdout.write(_CLEAR)
            write_line(f"{_time(now)} UTC, every {seconds:g} s; Ctrl-C ends it")
            write_line()
            code = _show(watched, now, show)
            if error is not None:
                code = int(error.exit_code)
            sys.stdout.flush()
            if error is not None:
                warn_of_error(error)
            clock.sleep(seconds)
    except KeyboardInterrupt:
        return code


def _show(watched: _Watched[State], now: datetime, show: Callable[[State], int]) -> int:
    if watched.away_since is not None:
        lasting = duration_text((now - watched.away_since).total_seconds())
        since = _time(watched.away_since)
        write_line(f"The database has not answered since {since} UTC, for {lasting}.")
        if watched.last is None:
            write_line("No state has been read yet.")
            return int(ExitCode.TEMPORARY)
        read_at, _ = watched.last
        age = duration_text((now - read_at).total_seconds())
        write_line(f"The last state, read at {_time(read_at)} UTC, {age} ago:")
        write_line()
    elif watched.last_outage is not None:
        begin, end = watched.last_outage
        until = f"{end:%H:%M:%S}" if begin.date() == end.date() else _time(end)
        write_line(f"The database did not answer from {_time(begin)} to {until} UTC.")
        write_line()
    return int(ExitCode.DONE) if watched.last is None else show(watched.last[1])


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
