"""The small parts of the service, each by itself."""

from __future__ import annotations

import os
import socket
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.clock import ManualClock
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.engine.health.watchdog import Pulse
from reconciler.engine.report import (
    DecisionKind,
    Mode,
    ReportLine,
    SweepKind,
    SweepReport,
    SweepRequest,
    Unexamined,
    Writing,
)
from reconciler.engine.sweep_requests.hand_over import as_options, as_request, capped
from reconciler.engine.sweep_requests.report_codec import from_dict, to_dict
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck
from reconciler.entrypoints.service import startup_checks
from reconciler.entrypoints.service.sd_notify import Notifier
from reconciler.entrypoints.service.startup_checks import CheckRound, StartHealth, StartUp
from reconciler.errors import ConfigurationError, ReconcilerError, UsageError, WrongKeyError
from reconciler.settings import load
from tests.unit.engine.doubles import NOW
from tests.unit.settings.configuration import ENVIRON, EXAMPLE


def test_a_pass_that_moves_is_not_stuck() -> None:
    """Pages and reads both count; without either for longer than the limit a sweep is stuck."""
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


def test_other_work_that_makes_no_step_is_stuck() -> None:
    """A thread's loop is watched as a sweep is, but never counts as a sweep; while it rests it may take its time."""
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


def test_one_of_the_same_name_does_not_hide_what_hangs() -> None:
    """After a reload the old thread may hang on beside the new one: it stays stuck until it ends."""
    clock = ManualClock(NOW)
    pulse = Pulse(clock, 60)
    with pulse.attending("team"):
        clock.advance(timedelta(seconds=61))
        with pulse.attending("team"):
            assert pulse.stuck() == ("team",)
        assert pulse.stuck() == ("team",)


@pytest.mark.parametrize("abstract", [True, False])
def test_messages_reach_the_manager(tmp_path: Path, abstract: bool) -> None:
    """Both forms of address work, and the watchdog is fed only for this process."""
    name = f"reconciler-unit-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}" if abstract else name)
        manager.settimeout(5)
        address = f"@{name}" if abstract else name
        notify = Notifier(
            {
                "NOTIFY_SOCKET": address,
                "WATCHDOG_USEC": "3000000",
                "WATCHDOG_PID": str(os.getpid()),
            },
            ManualClock(NOW),
        )
        notify.ready()
        notify.status("busy")
        notify.status("busy")
        notify.alive()
        notify.reloading()
        heard = [manager.recv(100).decode() for _ in range(4)]
    assert heard == ["READY=1", "STATUS=busy", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=0"]
    assert notify.watchdog == 3.0


def test_nobody_listening_is_no_failure(tmp_path: Path) -> None:
    """A manager that is gone, or none at all, never ends the daemon; another process's watchdog is not ours."""
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        Notifier(environ, ManualClock(NOW)).ready()
    others = {"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    assert Notifier(others, ManualClock(NOW)).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "x"}, ManualClock(NOW)).watchdog is None


def test_outages_are_waited_out_and_faults_are_not() -> None:
    """However often nothing can be reached, it looks again; what a person must mend ends it."""
    rounds = [CheckRound(StartHealth.UNREACHABLE, ("down",))] * 20 + [
        CheckRound(StartHealth.FAULTY, ("wrong",))
    ]
    start = StartUp(
        None,  # type: ignore[arg-type]
        ManualClock(NOW),
        threading.Event(),
        look=lambda _settings, _clock, _held: rounds.pop(0),
    )
    start.run()
    assert (start.good, start.waiting) == (False, "down")
    assert isinstance(start.fault, ConfigurationError)
    assert rounds == []


REQUESTS = [
    SweepRequest(SweepKind.ALL, Writing.ROWS, "me"),
    SweepRequest(SweepKind.DUE, Writing.NOTHING, "me", since=NOW, until=timedelta(hours=2)),
    SweepRequest(SweepKind.TAIL, Writing.FINDINGS, "me", intents=("pi_1", "pi_2")),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_request_crosses_unchanged(request_: SweepRequest) -> None:
    """What a person asked for is what the service reads."""
    assert as_request(as_options(request_), "me") == request_


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "x"},
        {"writing": 3},
        {"since": True},
        {"since": "2026-01-01T00:00:00"},
        {"until": []},
        {"intents": "pi_1"},
        {"intents": [1]},
        {"since": 1e300},
    ],
)
def test_options_that_are_none_are_refused(change: dict[str, object]) -> None:
    """The table may hold anything: nothing of it is taken on trust."""
    with pytest.raises(UsageError):
        as_request({**as_options(REQUESTS[0]), **change}, "me")
    with pytest.raises(UsageError):
        as_request([], "me")


def test_the_mode_caps_what_a_request_may_do() -> None:
    """In the mode "report" no row is touched; in "update" a request does as it says."""
    asked = {writing: SweepRequest(SweepKind.ALL, writing, "me") for writing in Writing}
    for mode in Mode:
        capped_to = {writing: capped(one, mode).writing for writing, one in asked.items()}
        rows = Writing.FINDINGS if mode is Mode.REPORT else Writing.ROWS
        assert capped_to == {
            Writing.NOTHING: Writing.NOTHING,
            Writing.FINDINGS: Writing.FINDINGS,
            Writing.ROWS: rows,
        }


def a_report() -> SweepReport:
    report = SweepReport("shop", SweepKind.DUE, Mode.UPDATE, Writing.ROWS, "me", sweep=7)
    report.examined, report.corrected, report.seconds, report.complete = 3, 2, 1.5, False
    report.discrepancies[Kind.MISSED_OUTCOME] = 2
    report.stakes[Kind.MISSED_OUTCOME, "eur"] = 2500
    report.notes.append("a note")
    report.lines.append(
        ReportLine(
            DecisionKind.CORRECT,
            "pi_1",
            ("1",),
            Kind.MISSED_OUTCOME,
            Severity.WARNING,
            Money(1250, "eur"),
            "pending",
            "succeeded",
            "paid",
            None,
        )
    )
    report.lines.append(ReportLine(DecisionKind.WAIT, "pi_2", ("2", "3"), why="a webhook may come"))
    report.unexamined.append(Unexamined("pi_3", "no answer"))
    report.unexamined_count = 1
    return report


@pytest.mark.parametrize(
    "failure",
    [
        None,
        WrongKeyError("wrong", "change it"),
        ConfigurationError(("a", "b")),
        ReconcilerError("x"),
    ],
)
def test_a_report_crosses_unchanged(failure: ReconcilerError | None) -> None:
    """Whoever asked sees what a sweep of their own would have told, with the same exit code."""
    report = a_report()
    if failure is not None:
        report.stop(failure)
    crossed = from_dict(to_dict(report))
    assert crossed.as_json() == report.as_json()
    assert (crossed.lines, crossed.unexamined) == (report.lines, report.unexamined)
    assert type(crossed.failure) is type(report.failure)
    if failure is not None and crossed.failure is not None:
        assert crossed.failure.exit_code is failure.exit_code
        assert crossed.failure.what == failure.what


def test_another_versions_report_is_told_as_such() -> None:
    """A form that cannot be read is an error with its mend, not a traceback."""
    with pytest.raises(ReconcilerError, match="another version"):
        from_dict({**to_dict(a_report()), "kind": "yearly"})
    with pytest.raises(ReconcilerError, match="another version"):
        from_dict({})


def test_stripe_is_not_asked_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that waits for its database looks again and again: the reads of 30 days are not for that."""
    away = DoctorCheck("database", CheckLevel.UNREACHABLE, "it is down", "Start it.")
    asked: list[str] = []
    monkeypatch.setattr(startup_checks, "key_checks", lambda _settings: ())
    monkeypatch.setattr(startup_checks, "database_checks", lambda _settings: (away,))
    monkeypatch.setattr(startup_checks, "stripe_checks", lambda *_: asked.append("stripe") or ())
    settings = load(EXAMPLE, {**ENVIRON, "STRIPE_API_KEY": "rk_live_abc"})
    assert (
        startup_checks.check(settings, ManualClock(NOW), {}).health
        is startup_checks.StartHealth.UNREACHABLE
    )
    assert asked == []
    monkeypatch.setattr(startup_checks, "database_checks", lambda _settings: ())
    assert (
        startup_checks.check(settings, ManualClock(NOW), {}).health
        is startup_checks.StartHealth.GOOD
    )
    assert asked == ["stripe"]
