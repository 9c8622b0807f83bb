"""What the demonstration has to say: figures for programs, words and tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.demo.demonstration import DemoResult
from reconciler.demo.merchant import STATUS_OF
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money, as_major

WHY: Final[Mapping[Kind, str]] = {
    Kind.CONTRADICTED: "the row is settled, and Stripe says that the money did not come",
    Kind.PAID_AFTER_CANCEL: "the order was given up, and the customer has paid",
    Kind.REGRESSED: "the row is further on than Stripe is",
    Kind.CURRENCY_MISMATCH: "charged in another currency than the row says",
    Kind.AMOUNT_MISMATCH: "another amount was taken than the row says",
    Kind.PARTIALLY_CAPTURED: "a part was captured, the rest is still held",
    Kind.REFUND_DRIFT: "the money was given back, and the row does not say so",
    Kind.DISPUTE_DRIFT: "the customer's bank has taken it back, and the row does not say so",
    Kind.AMBIGUOUS_ROW: "several rows claim one payment",
    Kind.MISSING_LOCALLY: "Stripe has the money, and there is no row",
    Kind.MISSING_AT_STRIPE: "Stripe does not know what the row names",
    Kind.UNKNOWN_STATUS: "a status that is not mapped",
    Kind.DUPLICATE_PAYMENT: "one order was paid twice",
    Kind.CAPTURE_EXPIRING: "held money is lost unless it is captured within a day",
    Kind.OVERDUE: "the payment method should have answered by now",
    Kind.EXHAUSTED: "nothing more will happen by itself",
}
"""In a few words, why a person has to look."""

_MISSED: Final = {status: event for event, status in STATUS_OF.items()}


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """Rows that were corrected alike."""

    missed: str
    before: str
    after: str
    rows: int
    money: str


@dataclass(frozen=True, slots=True)
class FlaggedLine:
    """Discrepancies of one kind that were left for a person."""

    kind: str
    count: int
    severity: str
    money: str
    why: str


def as_json(result: DemoResult) -> dict[str, object]:
    """The documented shape of ``demo --json``."""
    verdict = result.verdict
    return {
        "payments": result.payments,
        "webhooks": sum(result.webhooks.values()),
        "webhooks_lost": result.webhooks_lost,
        "wrong_before": len(verdict.wrong_before),
        "corrected": result.report.corrected,
        "wrong_writes": len(verdict.wrong_writes),
        "missed": len(verdict.missed),
        "invented": len(verdict.invented),
        "waiting": result.report.waiting,
        "discrepancies": _by_name(verdict.found),
        "planted": _by_name(verdict.planted),
        "reads": result.report.reads,
        "reads_one_by_one": result.one_by_one,
        "rate_limited": result.report.rate_limited,
        "seconds": round(result.seconds, 3),
        "sweep_seconds": round(result.report.seconds, 3),
        "complete": result.report.complete,
        "ledger_ok": result.ledger_ok,
        "clean": result.is_clean,
        "seed": result.plan.seed,
        "lose": result.plan.lose,
    }


def faults(result: DemoResult) -> tuple[str, ...]:
    """Every sentence against the sweep, none where the verdict is clean."""
    verdict, report = result.verdict, result.report
    said = [
        *(f"Wrong write: {line}." for line in verdict.wrong_writes),
        *(f"Missed: {line}." for line in verdict.missed),
        *(f"Invented: {line}." for line in verdict.invented),
        *(f"The judgement is void: {line}." for line in verdict.untrue),
    ]
    if not report.complete:
        said.append(f"The sweep is not complete: {report.stopped or 'see what was not examined'}.")
        said.extend(f"Not examined: {item.what}: {item.why}" for item in report.unexamined)
    if not result.ledger_ok:
        said.append("The ledger does not hold.")
    return tuple(said)


def corrections(result: DemoResult) -> tuple[CorrectionLine, ...]:
    """What was corrected, the most frequent first."""
    rows: Counter[tuple[str, str]] = Counter()
    money: dict[tuple[str, str], Counter[str]] = {}
    for was, is_now in result.verdict.changed:
        way = (was.status, is_now.status)
        rows[way] += 1
        money.setdefault(way, Counter())[was.currency] += was.amount
    return tuple(
        CorrectionLine(_MISSED.get(after, ""), before, after, count, in_words(money[before, after]))
        for (before, after), count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    )


def flagged(result: DemoResult) -> tuple[FlaggedLine, ...]:
    """What was left for a person, the most severe first."""
    by_kind: dict[Kind, list[tuple[Severity, Money]]] = {}
    for found in result.findings:
        if found.state == "open":
            severity = Severity(found.severity)
            by_kind.setdefault(Kind(found.kind), []).append((severity, found.stake))
    order = list(Severity)
    lines = [
        (
            -max(order.index(severity) for severity, _ in found),
            FlaggedLine(
                kind=kind.value,
                count=len(found),
                severity=max((severity for severity, _ in found), key=order.index).value,
                money=in_words(_summed(stake for _, stake in found)),
                why=WHY.get(kind, ""),
            ),
        )
        for kind, found in by_kind.items()
    ]
    return tuple(line for _, line in sorted(lines, key=lambda item: (item[0], item[1].kind)))


def in_words(amounts: Mapping[str, int]) -> str:
    """Amounts of several currencies, the largest number of minor units first."""
    ordered = sorted(amounts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(
        f"{as_major(amount, currency):,} {currency.upper()}" for currency, amount in ordered
    )


def _summed(stakes: Iterable[Money]) -> Counter[str]:
    total: Counter[str] = Counter()
    for stake in stakes:
        total[stake.currency] += stake.amount
    return total


def _by_name(kinds: Counter[Kind]) -> dict[str, int]:
    return {kind.value: count for kind, count in sorted(kinds.items())}
