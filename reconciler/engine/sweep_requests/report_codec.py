"""A whole report as a dict and back, so that it reaches the command that asked the service for the sweep.

It is the documented shape of ``SweepReport.as_json``, and beside it what only this program reads: the lines, unless
``request_lines`` has stored them, everything that was not examined, and the error that ended the sweep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from reconciler import errors
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.domain.money import Money
from reconciler.engine.not_examined import Unexamined
from reconciler.engine.report import (
    DecisionKind,
    Mode,
    ReportLine,
    SweepKind,
    SweepReport,
    Writing,
)
from reconciler.engine.review import ChangedLine, ReviewedLine
from reconciler.engine.row_id_counts import RowIdCounts
from reconciler.errors import ConfigurationError, ConfigurationFault, ReconcilerError

_HINT: Final = "The service that made the sweep reported this."
_SAME_FIELDS: Final = (
    "sweep",
    "complete",
    "stopped",
    "examined",
    "corrected",
    "would_correct",
    "refused",
    "held_back",
    "waiting",
    "abandoned",
    "outbox_waiting",
    "reads",
    "rate_limited",
    "seconds",
)
"""The fields that have the same name and value in the documented shape."""


def to_dict(report: SweepReport, line_pages: int | None = None) -> dict[str, object]:
    """The whole report as JSON can hold it. ``line_pages`` is how many pages hold its lines, if they are stored apart."""
    lines = report.lines if line_pages is None else []
    return {
        **report.as_json(),
        "lines": [line_dict(line) for line in lines],
        "line_pages": line_pages,
        "line_count": report.line_count,
        "changed_lines": [_changed_dict(item) for item in report.changed],
        "unexamined_items": [[item.what, item.why] for item in report.unexamined],
        "failure": None if report.failure is None else _failure_dict(report.failure),
    }


def from_dict(fields: Mapping[str, Any]) -> SweepReport:
    """The report. Raises ReconcilerError if another version of this program has written it."""
    try:
        report = SweepReport(
            account=fields["account"],
            kind=SweepKind(fields["kind"]),
            mode=Mode(fields["mode"]),
            writing=_writing(fields),
            asked_by=fields["asked_by"],
            claimed_by=fields["claimed_by"],
        )
        for name in _SAME_FIELDS:
            setattr(report, name, fields[name])
        for kind, count in fields["discrepancies"].items():
            report.discrepancies[Kind(kind)] = count
        # a Counter with tuples as keys is a list of objects in JSON
        report.stakes = Counter(
            {(Kind(item["kind"]), item["currency"]): item["amount"] for item in fields["at_stake"]}
        )
        report.total_stakes = Counter(
            {item["currency"]: item["amount"] for item in fields["at_stake_total"]}
        )
        report.unexamined_count = fields["unexamined"]
        report.unexamined = [Unexamined(what, why) for what, why in fields["unexamined_items"]]
        report.row_ids = RowIdCounts(
            other=fields["other_ids"],
            other_example=fields["other_id_example"],
            client_secrets=fields["client_secrets"],
            without_intent=fields["ids_without_intent"],
        )
        counted = fields["rows_of_no_account"]
        report.rows_of_no_account = None if counted is None else RowsOfNoAccount.of_dict(counted)
        report.notes = list(fields["notes"])
        report.lines = [line_of_dict(item) for item in fields["lines"]]
        report.line_count = fields["line_count"]
        report.changed = tuple(_changed(*item) for item in fields["changed_lines"])
        report.failure = _failure(fields["failure"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise of_another_version(error) from None
    return report


def of_another_version(error: Exception) -> ReconcilerError:
    """What a person is told if what the service has stored could not be read."""
    return ReconcilerError(
        f"This command could not read the service's report ({type(error).__name__}), because the "
        "service has another version.",
        "The sweep itself has ended: see reconciler status. Install the same version of "
        "Reconciler for the service and on this machine.",
    )


def _writing(fields: Mapping[str, Any]) -> Writing:
    if fields["applied"]:
        return Writing.ROWS
    return Writing.FINDINGS if fields["recorded"] else Writing.NOTHING


def line_dict(line: ReportLine) -> Mapping[str, object]:
    """A line as JSON can hold it."""
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
        "fingerprint": line.fingerprint,
        "writes_intent": line.writes_intent,
        "reverted_sweep": line.reverted_sweep,
    }


def _changed_dict(item: ChangedLine) -> list[object]:
    line = item.line
    return [line.payment_intent, line.kind, line.fingerprint, line.to_status, item.now]


def _changed(
    intent: str, kind: str | None, fingerprint: str | None, to_status: str | None, now: str
) -> ChangedLine:
    return ChangedLine(ReviewedLine(intent, kind, fingerprint, to_status), now)


def line_of_dict(fields: Mapping[str, Any]) -> ReportLine:
    """The line that ``line_dict`` was made of. Raises KeyError, TypeError or ValueError for another version's."""
    kind, severity, stake = fields["kind"], fields["severity"], fields["stake"]
    return ReportLine(
        decision=DecisionKind(fields["decision"]),
        payment_intent=fields["payment_intent"],
        keys=tuple(fields["keys"]),
        kind=None if kind is None else Kind(kind),
        severity=None if severity is None else Severity(severity),
        stake=None if stake is None else Money(*stake),
        local=fields["local"],
        stripe=fields["stripe"],
        to_status=fields["to_status"],
        why=fields["why"],
        fingerprint=fields["fingerprint"],
        # a service of an older version does not say these
        writes_intent=fields.get("writes_intent", False),
        reverted_sweep=fields.get("reverted_sweep"),
    )


def _failure_dict(failure: ReconcilerError) -> Mapping[str, object]:
    faults = failure.faults if isinstance(failure, ConfigurationError) else ()
    return {
        "type": type(failure).__name__,
        "what": failure.what,
        "hint": failure.hint,
        "faults": [[fault.what, fault.hint] for fault in faults],
    }


def _failure(fields: Mapping[str, Any] | None) -> ReconcilerError | None:
    """An error of the same type, so that the command ends with the exit code that belongs to it."""
    if fields is None:
        return None
    if fields["type"] == ConfigurationError.__name__:
        faults = (ConfigurationFault(what, hint) for what, hint in fields["faults"])
        return ConfigurationError(tuple(faults))
    # the name comes from a table, so only the error classes of this program count
    error_class = getattr(errors, fields["type"], ReconcilerError)
    if not (isinstance(error_class, type) and issubclass(error_class, ReconcilerError)):
        error_class = ReconcilerError
    failure: ReconcilerError = error_class(fields["what"], fields["hint"] or _HINT)
    return failure
