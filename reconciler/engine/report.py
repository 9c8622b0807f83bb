"""What a sweep is asked to do, and what it reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from typing import Final, Self, assert_never

from reconciler.domain.audit.ledger_entry import LedgerHead
from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, Severity
from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match
from reconciler.domain.model.recheck import TABLE_REFUSED
from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount
from reconciler.domain.money import Money
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.engine.not_examined import NotExamined, Unexamined, by_reason
from reconciler.engine.review import ChangedLine, Review
from reconciler.engine.row_id_counts import RowIdCounts
from reconciler.errors import ReconcilerError

Moment = datetime | timedelta
"""A time, or how long before now; "now" is read from Stripe's clock."""


class SweepKind(StrEnum):
    """Which source a sweep reads."""

    TAIL = "tail"
    """Every intent that an event names, since the last event that was handled."""
    DUE = "due"
    """Every open payment of the merchant's table, and every recheck that is due."""
    WINDOW = "window"
    """Every intent that was created in a range of time, and every row of that range."""
    ALL = "all"
    """All sources in turn. An intent that two of them meet is examined once."""


class Mode(StrEnum):
    """What the configuration lets a sweep of the service change."""

    REPORT = "report"
    UPDATE = "update"


class Writing(Enum):
    """What one sweep may write."""

    NOTHING = "nothing"
    """A dry run."""
    FINDINGS = "findings"
    """Reconciler's own tables, and no row of the merchant's table."""
    ROWS = "rows"
    """The merchant's rows as well."""


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """A sweep that a person or the service asks for. ``claimed_by`` is the name that the person gave besides.

    ``since`` and ``until`` bound the time of creation. If ``intents`` names single intents, ``kind`` does not matter.
    ``again`` is the sweep whose reverted corrections are made once more; None for an ordinary sweep.
    ``approved`` is whether the person has allowed any number of corrections. With a ``review``, the intents are those
    of its lines, and only what its lines say is written.
    """

    kind: SweepKind
    writing: Writing
    asked_by: str
    since: Moment | None = None
    until: Moment | None = None
    intents: tuple[str, ...] = ()
    claimed_by: str | None = None
    again: int | None = None
    approved: bool = False
    review: Review | None = None

    names_intents: bool = field(init=False)
    """Whether only the intents that a person named are examined. A review without lines examines nothing."""

    def __post_init__(self) -> None:
        # the class is frozen, and this follows from the other fields
        object.__setattr__(self, "names_intents", bool(self.intents) or self.review is not None)

    @property
    def named_intents(self) -> tuple[str, ...]:
        """The intents that a person named."""
        return self.intents if self.review is None else self.review.intents


class DecisionKind(StrEnum):
    """What was decided about a match, as a report shows it."""

    CORRECT = "correct"
    FLAG = "flag"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class ReportLine:
    """One decision that a person may want to see: a correction, a flagged finding, or a wait."""

    decision: DecisionKind
    payment_intent: str
    keys: tuple[str, ...]
    kind: Kind | None = None
    severity: Severity | None = None
    stake: Money | None = None
    local: str | None = None
    stripe: str | None = None
    to_status: str | None = None
    why: str | None = None
    fingerprint: str | None = None
    writes_intent: bool = False  # the correction also writes the row's PaymentIntent
    reverted_sweep: int | None = None  # a person took this sweep's correction back


PAUSED_NOTE: Final = (
    "Writes to this account's rows are paused. Reconciler records each correction as a finding "
    "with the reason paused. To write again, run: reconciler resume"
)
REFUSALS: Final = frozenset({Reason.REFUSED_BY_TABLE, Reason.NOT_KEPT_BY_TABLE})
"""The reasons of a correction that the merchant's table has refused."""
LONGEST_LIST: Final = 10_000
"""The most lines, and the most unexamined things, that a report keeps. The counts go on after that."""


@dataclass(slots=True)
class SweepReport:
    """What a sweep did. ``examined`` and ``waiting`` count intents, ``corrected`` counts rows."""

    account: str
    kind: SweepKind
    mode: Mode
    writing: Writing
    asked_by: str
    claimed_by: str | None = None
    sweep: int | None = None
    complete: bool = True
    examined: int = 0
    corrected: int = 0
    would_correct: int = 0
    refused: int = 0
    """Corrections that the merchant's table refused, in this sweep or earlier for the row as it is now."""
    held_back: int = 0
    """Corrections that the hourly limit of the service held back."""
    waiting: int = 0
    abandoned: int = 0
    """Unpaid carts past the horizon."""
    discrepancies: Counter[Kind] = field(default_factory=Counter)
    stakes: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    """Money at stake in minor units, by kind and currency."""
    total_stakes: Counter[str] = field(default_factory=Counter)
    """Money at stake by currency: a payment with several findings counts once, with its greatest stake."""
    reads: int = 0
    rate_limited: int = 0
    seconds: float = 0.0
    lines: list[ReportLine] = field(default_factory=list)
    line_count: int = 0
    """How many lines there were; ``lines`` has only the first of them."""
    on_line: Callable[[ReportLine], None] | None = field(default=None, repr=False)
    """Called with each line as soon as it is known."""
    expected: int | None = None
    """How many intents the sweep will have examined at its end, as far as it knows."""
    changed: tuple[ChangedLine, ...] = ()
    """The lines of a reviewed preview that are not so any more. Nothing was written for them."""
    outbox_waiting: int | None = None
    """How many rows of the account's outbox wait to be acted on; None if the sweep may not correct rows."""
    unexamined: list[Unexamined] = field(default_factory=list)
    unexamined_count: int = 0
    stopped: str | None = None
    """Why the sweep ended early, None if it did not."""
    notes: list[str] = field(default_factory=list)
    """What a reader should know about how the sweep went."""
    rows_of_no_account: RowsOfNoAccount | None = None
    """Rows that belong to no configured account; None if they were not counted."""
    row_ids: RowIdCounts = field(default_factory=RowIdCounts)
    ledger_head: LedgerHead | None = None
    """The ledger's head after this sweep's entries; None if this process has added none."""
    failure: ReconcilerError | None = None
    """The error that ended the sweep early. Its exit code is the command's."""
    _counted: set[tuple[str, str]] = field(default_factory=set, init=False, repr=False)
    """The subject and kind of each discrepancy that is counted."""
    _stake_of: dict[tuple[str, str], int] = field(default_factory=dict, init=False, repr=False)
    """What each payment counts for in ``total_stakes``, by its intent or row and the currency."""

    @classmethod
    def of(cls, request: SweepRequest, account: str, mode: Mode, sweep: int | None = None) -> Self:
        """The report of a sweep that only begins."""
        return cls(
            account=account,
            kind=request.kind,
            mode=mode,
            writing=request.writing,
            asked_by=request.asked_by,
            claimed_by=request.claimed_by,
            sweep=sweep,
        )

    def add_decisions(self, decisions: Iterable[tuple[Match, Decision]]) -> None:
        """Count the final decisions about matches. Each discrepancy counts once in a sweep."""
        for match, decision in decisions:
            self.examined += 1
            self._count(match, decision)

    def _count(self, match: Match, decision: Decision) -> None:
        match decision:
            case Keep(abandoned):
                self.abandoned += abandoned
            case Wait(until, why):
                is_refused = why == TABLE_REFUSED
                self.refused += is_refused
                self.waiting += not is_refused
                text = f"{why}; a sweep decides again, not before {until:%Y-%m-%d %H:%M:%S}"
                self.add_line(ReportLine(DecisionKind.WAIT, match.intent.id, match.keys, why=text))
            case Correct(findings=findings):
                if self.writing is not Writing.ROWS:
                    self.would_correct += len(decision.payments)
                self._count_findings(match, findings, decision)
            case Flag(findings):
                self._count_findings(match, findings, None)
            case _ as unreachable:
                assert_never(unreachable)

    def _count_findings(
        self, match: Match, findings: tuple[Finding, ...], correct: Correct | None
    ) -> None:
        # two pages may show the same duplicate, from the side of either intent
        for finding in findings:
            subject = finding.subject
            identity = (subject, finding.kind.value)
            if identity in self._counted:
                continue
            self._counted.add(identity)
            self.discrepancies[finding.kind] += 1
            self.refused += finding.reason in REFUSALS
            self.stakes[finding.kind, finding.stake.currency] += finding.stake.amount
            self._add_to_total(finding)

            # of a correction only the missed outcome is corrected; what stands beside it stays flagged
            made = correct if finding.kind.is_correctable else None
            self.add_line(_finding_line(match, finding, made))

    def _add_to_total(self, finding: Finding) -> None:
        stake = finding.stake
        payment = (finding.payment_intent or finding.subject, stake.currency)
        counted = self._stake_of.get(payment, 0)
        if stake.amount > counted:
            self._stake_of[payment] = stake.amount
            self.total_stakes[stake.currency] += stake.amount - counted

    def add_line(self, line: ReportLine) -> None:
        """Keep one decision for the reader, and hand it on."""
        self.line_count += 1
        if self.on_line is not None:
            self.on_line(line)
        if len(self.lines) < LONGEST_LIST:
            self.lines.append(line)

    def miss(self, what: str, why: str, count: int = 1) -> None:
        """Report that so many intents, or a stretch of a list, were not examined. The sweep is then not complete."""
        self.complete = False
        self.unexamined_count += count
        if len(self.unexamined) < LONGEST_LIST:
            self.unexamined.append(Unexamined(what, why))

    @property
    def missed(self) -> tuple[NotExamined, ...]:
        """What was not examined, by reason, the most frequent reason first."""
        return by_reason(self.unexamined) if self.unexamined else ()

    def stop(self, error: ReconcilerError) -> None:
        """End the sweep here, not complete."""
        self.complete = False
        self.stopped = str(error)
        self.failure = error

    def as_json(self) -> Mapping[str, object]:
        """The documented, stable shape of ``sweep --json`` for one account."""
        return {
            "account": self.account,
            "sweep": self.sweep,
            "kind": self.kind.value,
            "mode": self.mode.value,
            "applied": self.writing is Writing.ROWS,
            "recorded": self.writing is not Writing.NOTHING,
            "asked_by": self.asked_by,
            "claimed_by": self.claimed_by,
            "complete": self.complete,
            "stopped": self.stopped,
            "examined": self.examined,
            "corrected": self.corrected,
            "would_correct": self.would_correct,
            "refused": self.refused,
            "held_back": self.held_back,
            "waiting": self.waiting,
            "abandoned": self.abandoned,
            "changed": len(self.changed),
            "outbox_waiting": self.outbox_waiting,
            "discrepancies": {kind.value: n for kind, n in sorted(self.discrepancies.items())},
            "at_stake": [
                {"kind": kind.value, "currency": currency, "amount": amount}
                for (kind, currency), amount in sorted(self.stakes.items())
            ],
            "at_stake_total": [
                {"currency": currency, "amount": amount}
                for currency, amount in sorted(self.total_stakes.items())
            ],
            "unexamined": self.unexamined_count,
            "not_examined": [
                {"count": missed.count, "what": list(missed.what), "why": missed.why}
                for missed in self.missed
            ],
            "other_ids": self.row_ids.other,
            "other_id_example": self.row_ids.other_example,
            "client_secrets": self.row_ids.client_secrets,
            "ids_without_intent": self.row_ids.without_intent,
            "rows_of_no_account": self.rows_of_no_account and self.rows_of_no_account.to_dict(),
            "notes": list(self.notes),
            "reads": self.reads,
            "rate_limited": self.rate_limited,
            "seconds": round(self.seconds, 3),
        }


def _finding_line(match: Match, finding: Finding, correct: Correct | None) -> ReportLine:
    """The line of a finding. ``correct`` is the correction that is made, None if the finding is only flagged."""
    intent = match.intent
    reverted = finding.evidence.get("reverted")
    links = correct is not None and any(
        payment.payment_intent != (correct.to_intent or intent.id) for payment in correct.payments
    )
    local = ", ".join(sorted({str(payment.status) for payment in match.payments}))
    return ReportLine(
        decision=DecisionKind.FLAG if correct is None else DecisionKind.CORRECT,
        payment_intent=finding.payment_intent or finding.subject,
        keys=finding.keys,
        kind=finding.kind,
        severity=finding.severity,
        stake=finding.stake,
        local=local or None,
        stripe=intent.status if isinstance(intent, Intent) else "not found",
        to_status=None if correct is None else correct.status,
        why=finding.reason.value if finding.reason else None,
        fingerprint=finding.fingerprint,
        writes_intent=links,
        reverted_sweep=reverted["sweep"] if isinstance(reverted, Mapping) else None,
    )
