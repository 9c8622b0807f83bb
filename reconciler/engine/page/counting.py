"""Counting a page into its pass's report."""

from __future__ import annotations

from typing import assert_never

from reconciler.domain.findings.discrepancy import Finding, Kind
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.rules.decision import Correct, Flag, Keep, Wait
from reconciler.engine.actor import Actor
from reconciler.engine.page.reconcile_page import MatchDecision, PageResult
from reconciler.engine.report import DecisionKind, ReportLine, SweepReport, Writing


def count_page(
    report: SweepReport, result: PageResult, actor: Actor, seen: set[tuple[str, str]]
) -> None:
    """Add a page's final decisions. ``seen`` are the discrepancies that the sweep has counted already."""
    report.examined += len(result.decisions)
    report.corrected += result.corrected
    report.held_back += result.held_back
    for item in result.decisions:
        _count(report, item, actor, seen)


def _count(
    report: SweepReport, item: MatchDecision, actor: Actor, seen: set[tuple[str, str]]
) -> None:
    subject, decision = item.subject, item.decision
    match decision:
        case Keep(abandoned):
            report.abandoned += abandoned
        case Wait(until, why):
            report.waiting += 1
            report.add_line(
                ReportLine(
                    DecisionKind.WAIT,
                    subject.intent.id,
                    subject.keys,
                    why=f"{why}; again at {until:%H:%M:%S}",
                )
            )
        case Correct(status=status, findings=findings):
            report.would_correct += actor.writing is not Writing.ROWS
            _findings(report, subject, findings, seen, to_status=status)
        case Flag(findings):
            _findings(report, subject, findings, seen, to_status=None)
        case _ as unreachable:
            assert_never(unreachable)


def _findings(
    report: SweepReport,
    subject: Match,
    findings: tuple[Finding, ...],
    seen: set[tuple[str, str]],
    to_status: str | None,
) -> None:
    for finding in findings:
        identity = (finding.subject, finding.kind.value)
        if identity in seen:
            continue
        seen.add(identity)
        report.discrepancies[finding.kind] += 1
        report.stakes[finding.kind, finding.stake.currency] += finding.stake.amount
        corrects = to_status is not None and finding.kind is Kind.MISSED_OUTCOME
        report.add_line(_line(subject, finding, to_status if corrects else None))


def _line(subject: Match, finding: Finding, to_status: str | None) -> ReportLine:
    intent = subject.intent
    return ReportLine(
        decision=DecisionKind.FLAG if to_status is None else DecisionKind.CORRECT,
        payment_intent=finding.subject,
        keys=finding.keys,
        kind=finding.kind,
        severity=finding.severity,
        stake=finding.stake,
        local=", ".join(sorted({str(payment.status) for payment in subject.payments})) or None,
        stripe=intent.status if isinstance(intent, Intent) else "not found",
        to_status=to_status,
        why=finding.reason.value if finding.reason else None,
    )
