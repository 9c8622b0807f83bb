"""A whole report as plain values and back, so that it can cross from the service to whoever asked for the sweep.

``SweepReport.as_json`` is what people and programs read; this is all of it, the single decisions included.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from reconciler import errors
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.engine.report import (
    DecisionKind,
    Mode,
    ReportLine,
    SweepKind,
    SweepReport,
    Unexamined,
    Writing,
)
from reconciler.errors import ConfigurationError, ReconcilerError

_PLAIN: Final = (int, float, str, bool, type(None))
_OF_SERVICE: Final = "The service that made the sweep said so."


def to_dict(report: SweepReport) -> dict[str, object]:
    """Every field as JSON can hold it."""
    plain = {
        field.name: value
        for field in fields(report)
        if isinstance(value := getattr(report, field.name), _PLAIN)
    }
    return {
        **plain,
        "kind": report.kind.value,
        "mode": report.mode.value,
        "writing": report.writing.value,
        "discrepancies": {kind.value: count for kind, count in report.discrepancies.items()},
        "stakes": [[kind.value, unit, amount] for (kind, unit), amount in report.stakes.items()],
        "notes": list(report.notes),
        "lines": [_line_form(line) for line in report.lines],
        "unexamined": [[item.what, item.why] for item in report.unexamined],
        "failure": None if report.failure is None else _failure_form(report.failure),
    }


def from_dict(form: Mapping[str, Any]) -> SweepReport:
    """The report. Raises ReconcilerError for a form that another version of this program has written."""
    try:
        report = SweepReport(
            account=form["account"],
            kind=SweepKind(form["kind"]),
            mode=Mode(form["mode"]),
            writing=Writing(form["writing"]),
            asked_by=form["asked_by"],
        )
        for field in fields(report):
            value = form.get(field.name)
            if field.name in form and isinstance(value, _PLAIN) and not _is_closed(field.name):
                setattr(report, field.name, value)
        counts = form["discrepancies"]
        report.discrepancies = Counter({Kind(kind): count for kind, count in counts.items()})
        report.stakes = Counter({(Kind(kind), unit): n for kind, unit, n in form["stakes"]})
        report.notes = list(form["notes"])
        report.lines = [_line(item) for item in form["lines"]]
        report.unexamined = [Unexamined(what, why) for what, why in form["unexamined"]]
        report.failure = _failure(form["failure"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ReconcilerError(
            f"The service's report could not be read ({type(error).__name__}): it is of another version.",
            "The sweep itself has ended; reconciler status shows it. Install the same version on both sides.",
        ) from None
    return report


def _is_closed(name: str) -> bool:
    return name in {"kind", "mode", "writing", "failure"}


def _line_form(line: ReportLine) -> Mapping[str, object]:
    return {
        "decision": line.decision.value,
        "payment_intent": line.payment_intent,
        "keys": list(line.keys),
        "kind": line.kind and line.kind.value,
        "severity": line.severity and line.severity.value,
        "stake": line.stake and [line.stake.amount, line.stake.currency],
        "local": line.local,
        "stripe": line.stripe,
        "to_status": line.to_status,
        "why": line.why,
    }


def _line(form: Mapping[str, Any]) -> ReportLine:
    kind, severity, stake = form["kind"], form["severity"], form["stake"]
    return ReportLine(
        decision=DecisionKind(form["decision"]),
        payment_intent=form["payment_intent"],
        keys=tuple(form["keys"]),
        kind=None if kind is None else Kind(kind),
        severity=None if severity is None else Severity(severity),
        stake=None if stake is None else Money(*stake),
        local=form["local"],
        stripe=form["stripe"],
        to_status=form["to_status"],
        why=form["why"],
    )


def _failure_form(failure: ReconcilerError) -> Mapping[str, object]:
    faults = failure.faults if isinstance(failure, ConfigurationError) else ()
    return {
        "type": type(failure).__name__,
        "what": failure.what,
        "hint": failure.hint,
        "faults": [str(fault) for fault in faults],
    }


def _failure(form: Mapping[str, Any] | None) -> ReconcilerError | None:
    """An error of the same type, so that the command ends with the exit code that belongs to it."""
    if form is None:
        return None
    if form["type"] == ConfigurationError.__name__:
        return ConfigurationError(tuple(form["faults"]))
    kind = getattr(errors, form["type"], ReconcilerError)
    if not (isinstance(kind, type) and issubclass(kind, ReconcilerError)):
        kind = ReconcilerError
    failure: ReconcilerError = kind(form["what"], form["hint"] or _OF_SERVICE)
    return failure
