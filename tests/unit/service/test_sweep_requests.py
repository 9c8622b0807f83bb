"""A request for a sweep and its report, as they are stored between the process that asks and the service."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.engine.not_examined import Unexamined
from reconciler.engine.report import (
    DecisionKind,
    Mode,
    ReportLine,
    SweepKind,
    SweepReport,
    SweepRequest,
    Writing,
)
from reconciler.engine.sweep_requests.hand_over import as_options, as_request, capped
from reconciler.engine.sweep_requests.report_codec import from_dict, to_dict
from reconciler.errors import ConfigurationError, ReconcilerError, UsageError, WrongKeyError
from tests.unit.engine.doubles import NOW

REQUESTS = [
    SweepRequest(SweepKind.ALL, Writing.ROWS, "me"),
    SweepRequest(SweepKind.DUE, Writing.NOTHING, "me", since=NOW, until=timedelta(hours=2)),
    SweepRequest(SweepKind.TAIL, Writing.FINDINGS, "me", intents=("pi_1", "pi_2")),
    SweepRequest(SweepKind.TAIL, Writing.FINDINGS, "me", claimed_by="ana@example.com"),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_stored_request_is_read_back_unchanged(request_: SweepRequest) -> None:
    """The service makes exactly the sweep that a person asked for."""
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
        {"claimed_by": 3},
    ],
)
def test_invalid_options_are_refused(change: dict[str, object]) -> None:
    """The table of requests may hold anything: every option is checked."""
    with pytest.raises(UsageError):
        as_request({**as_options(REQUESTS[0]), **change}, "me")
    with pytest.raises(UsageError):
        as_request([], "me")


def test_the_mode_caps_what_a_request_may_do() -> None:
    """In the mode "report" a request changes no row of the merchant's; in "update" it may do what it asks for."""
    requests = {writing: SweepRequest(SweepKind.ALL, writing, "me") for writing in Writing}
    for mode in Mode:
        capped_to = {
            writing: capped(request, mode).writing for writing, request in requests.items()
        }
        rows = Writing.FINDINGS if mode is Mode.REPORT else Writing.ROWS
        assert capped_to == {
            Writing.NOTHING: Writing.NOTHING,
            Writing.FINDINGS: Writing.FINDINGS,
            Writing.ROWS: rows,
        }


def make_report() -> SweepReport:
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
            writes_intent=True,
            reverted_sweep=5,
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
def test_a_stored_report_is_read_back_unchanged(failure: ReconcilerError | None) -> None:
    """The person who asked sees the same report and exit code as after a sweep of their own."""
    report = make_report()
    if failure is not None:
        report.stop(failure)
    restored = from_dict(to_dict(report))
    assert restored.as_json() == report.as_json()
    assert (restored.lines, restored.unexamined) == (report.lines, report.unexamined)
    assert type(restored.failure) is type(report.failure)
    if failure is not None and restored.failure is not None:
        assert restored.failure.exit_code is failure.exit_code
        assert restored.failure.what == failure.what


def test_a_report_of_another_version_is_an_error() -> None:
    """A stored report that cannot be read is an error with a hint, not a traceback."""
    with pytest.raises(ReconcilerError, match="another version"):
        from_dict({**to_dict(make_report()), "kind": "yearly"})
    with pytest.raises(ReconcilerError, match="another version"):
        from_dict({})
