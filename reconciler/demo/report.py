"""The demonstration's report: figures for programs, sentences and tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconciler.demo.demonstration import DemoResult
from reconciler.demo.webhook_handler import STATUS_OF
from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money, as_major

WHY: Final[Mapping[Kind, str]] = {
    Kind.CONTRADICTED: "the row is settled, and Stripe says that the money did not come",
    Kind.PAID_AFTER_CANCEL: "the order was canceled, and the customer has paid",
    Kind.REGRESSED: "the row's status is ahead of Stripe's outcome",
    Kind.CURRENCY_MISMATCH: "charged in another currency than the row says",
    Kind.AMOUNT_MISMATCH: "another amount was taken than the row says",
    Kind.PARTIALLY_CAPTURED: "a part was captured, the rest is still held",
    Kind.REFUND_DRIFT: "the money was refunded, and the row does not say so",
    Kind.DISPUTE_DRIFT: "the customer's bank has taken the money back, and the row does not say so",
    Kind.AMBIGUOUS_ROW: "several rows hold the same PaymentIntent",
    Kind.PAID_BY_OTHER_INTENT: "the order was paid with another PaymentIntent than the row holds",
    Kind.REFUND_MISSING: "the row says refunded, but only a part of the money was refunded",
    Kind.MISSING_LOCALLY: "Stripe took the money, and no row holds this payment",
    Kind.MISSING_AT_STRIPE: "Stripe does not know the id that the row holds",
    Kind.UNKNOWN_STATUS: "the row or Stripe has a status that is not mapped",
    Kind.DUPLICATE_PAYMENT: "one order was paid twice",
    Kind.CAPTURE_EXPIRING: "held money is lost unless it is captured within a day",
    Kind.OVERDUE: "the payment method should have answered by now",
    Kind.EXHAUSTED: "the payment is still open on both sides, past every deadline",
    Kind.PARTIALLY_FUNDED: "only a part of the money has arrived",
}
"""In a few words, why a person has to decide."""

_EVENT_OF: Final = {status: event for event, status in STATUS_OF.items()}


@dataclass(frozen=True, slots=True)
class CorrectionLine:
    """Rows that were corrected from one status to another; ``missed`` is the type of the lost event."""

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
    """A sentence for each fault of the sweep; none if the verdict is clean."""
    verdict, report = result.verdict, result.report
    sentences = [
        *(f"Wrong write: {line}." for line in verdict.wrong_writes),
        *(f"Missed: {line}." for line in verdict.missed),
        *(f"Invented: {line}." for line in verdict.invented),
        *(
            f"The demo itself is wrong, so its verdict proves nothing: {line}."
            for line in verdict.contradictions
        ),
    ]
    # an incomplete sweep explains what was missed
    if not report.complete:
        sentences.append(
            f"The sweep is not complete: {report.stopped or 'the next lines name what was not examined'}."
        )
        sentences.extend(f"Not examined: {item.what}: {item.why}" for item in report.unexamined)
    if not result.ledger_ok:
        sentences.append("The ledger is broken.")
    return tuple(sentences)


def corrections(result: DemoResult) -> tuple[CorrectionLine, ...]:
    """The corrections from each status to each other one, the most frequent first."""
    rows: Counter[tuple[str, str]] = Counter()
    money: dict[tuple[str, str], Counter[str]] = {}
    for before_row, after_row in result.verdict.changed:
        change = (before_row.status, after_row.status)
        rows[change] += 1
        money.setdefault(change, Counter())[before_row.currency] += before_row.amount
    return tuple(
        CorrectionLine(
            _EVENT_OF.get(after, ""), before, after, count, in_words(money[before, after])
        )
        for (before, after), count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    )


def flagged(result: DemoResult) -> tuple[FlaggedLine, ...]:
    """The discrepancies left for a person, by kind, the most severe first."""
    by_kind: dict[Kind, list[tuple[Severity, Money]]] = {}
    for stored in result.findings:
        if stored.state == "open":
            severity = Severity(stored.severity)
            by_kind.setdefault(Kind(stored.kind), []).append((severity, stored.stake))

    # the enumeration is in the order of severity
    rank = list(Severity).index
    lines = []
    for kind, found in by_kind.items():
        worst = max((severity for severity, _ in found), key=rank)
        line = FlaggedLine(
            kind=kind.value,
            count=len(found),
            severity=worst.value,
            money=in_words(_summed(stake for _, stake in found)),
            why=WHY.get(kind, ""),
        )
        lines.append((-rank(worst), kind.value, line))
    return tuple(line for *_, line in sorted(lines, key=lambda item: item[:2]))


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
