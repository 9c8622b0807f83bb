"""A status that is shown again and again outlives an outage of the database."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.cli.watched_status import watch
from reconciler.errors import DatabaseRefusedError, DatabaseUnavailableError, ReconcilerError

LOST = DatabaseUnavailableError("Could not connect to db:5432.", "Check that the server runs.")
REFUSED = DatabaseRefusedError("PostgreSQL refused a statement.", "Run reconciler doctor.")


class Night(SystemClock):
    """A clock that a test advances. Ctrl-C comes after so many waits."""

    def __init__(self, waits: int) -> None:
        self._now = datetime(2026, 11, 28, 3, 0, tzinfo=UTC)
        self._waits = waits

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._waits -= 1
        if not self._waits:
            raise KeyboardInterrupt


def screens(
    answers: Sequence[str | ReconcilerError], capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str], str]:
    """The exit code, what each screen shows, and standard error, if the database gives these answers."""
    coming: Iterator[str | ReconcilerError] = iter(answers)

    def read() -> str:
        answer = next(coming)
        if isinstance(answer, ReconcilerError):
            raise answer
        return answer

    def show(state: str) -> int:
        write_line(state)
        return 0

    code = watch(Night(len(answers)), 30, read, show)
    written = capsys.readouterr()
    return code, written.out.split("Ctrl-C ends it\n\n")[1:], written.err


def test_the_last_state_stays_with_its_age(capsys: pytest.CaptureFixture[str]) -> None:
    """While the database does not answer, the last state stays, with its age and the begin of the outage."""
    code, shown, errors = screens(["all is well", LOST, LOST, LOST], capsys)
    assert code == 75
    assert shown[0] == "all is well\n2026-11-28 03:00:30 UTC, every 30 s; "
    assert shown[3] == (
        "The database has not answered since 2026-11-28 03:00:30 UTC, for 60 s.\n"
        "The last state, read at 2026-11-28 03:00:00 UTC, 90 s ago:\n"
        "\n"
        "all is well\n"
    )
    assert errors.count("reconciler: Could not connect to db:5432.") == 3
    assert errors.count("hint: Check that the server runs.") == 3


def test_it_recovers_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """The next answer is shown as ever, and the outage that is over stays named."""
    code, shown, _ = screens(["well", LOST, "well again", "and on"], capsys)
    over = "The database did not answer from 2026-11-28 03:00:30 to 03:01:00 UTC.\n"
    assert code == 0
    assert shown[2].startswith(f"{over}\nwell again\n")
    assert shown[3].startswith(f"{over}\nand on\n")


def test_no_state_was_read_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """A watch that begins in the outage has no state to show, and says so."""
    _, shown, _ = screens([LOST], capsys)
    assert shown[0] == (
        "The database has not answered since 2026-11-28 03:00:00 UTC, for 0 s.\n"
        "No state has been read yet.\n"
    )


def test_what_a_person_has_to_correct_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A refused statement needs a person, so the watch ends with its error."""
    with pytest.raises(DatabaseRefusedError):
        screens(["well", REFUSED], capsys)


def test_a_terminal_keeps_its_screen_until_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database that hangs leaves the old screen: it is emptied only when there is something new to show."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    seen: list[str] = []

    def read() -> str:
        seen.append(terminal.getvalue())
        return "well"

    watch(Night(2), 30, read, lambda _: 0)
    assert seen[0] == ""
    assert seen[1].count("\x1b[2J") == 1
    assert terminal.getvalue().count("\x1b[2J") == 2
