"""From decisions to what is written: rows, discrepancies, checks and the ledger's entries of one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate, updates_after_verdict
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.page import PageRecord, Recheck, RowWrite
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.engine.actor import Actor
from reconciler.engine.page.next_recheck import jitter_of, planned_poll
from reconciler.engine.report import Mode, Writing


class PageChanges:
    """Collects one page's decisions.

    ``now`` is Stripe's time, ``allowance`` is how many rows may still be corrected, None for any number.
    """

    def __init__(
        self,
        actor: Actor,
        rules: Rules,
        known: Mapping[str, tuple[StoredDiscrepancy, ...]],
        now: datetime,
        quota: int | None,
    ) -> None:
        self._now = now
        self._actor = actor
        self._rules = rules
        self._known = known
        self._allowance = quota
        self._writes: list[RowWrite] = []
        self._changes: dict[tuple[str, Kind], DiscrepancyUpdate] = {}
        self._foreign: dict[tuple[str, Kind], Finding] = {}
        self._rechecks: list[Recheck] = []
        self._settled: list[str] = []
        self._events: list[Event] = []
        self.held_back = 0

    def add(self, subject: Match, decision: Decision, events: Sequence[Event]) -> Decision:
        """Take one subject's decision, with the fresh events known of it.

        Returns the decision as it is carried out: a correction that the hourly limit holds back is a flag.
        """
        self._events.extend(events)
        match decision:
            case Keep():
                self._verdict(subject, (), corrected=False)
            case Flag(findings):
                self._verdict(subject, findings, corrected=False)
            case Correct():
                return self._correct(subject, decision)
            case Wait(until, why):
                self._rechecks.append(Recheck(subject.intent.id, until, why))
            case _ as unreachable:
                assert_never(unreachable)
        return decision

    def page(self, rechecks: Sequence[str], most_an_hour: int | None) -> PageRecord:
        """Everything collected. ``checks`` are the intents of the page that have a check now."""
        for identity, finding in self._foreign.items():
            if identity not in self._changes:
                stored = self._known.get(finding.subject, ())
                met = tuple(item for item in stored if item.kind is finding.kind)
                self._changes[identity] = updates_after_verdict(met, (finding,), corrected=False)[0]
        news = [self._entry(change) for change in self._changes.values() if change.is_news]
        return PageRecord(
            writes=tuple(self._writes),
            updates=tuple(self._changes.values()),
            rechecks=tuple(self._rechecks),
            settled=tuple(
                intent
                for intent in self._settled
                # what was only scheduled is not among the checks, and goes as well
                if intent in rechecks or self._actor.is_service
            ),
            events=tuple(self._events),
            drafts=tuple(news),
            seen_at=self._now,
            sweep=self._actor.sweep,
            most_an_hour=most_an_hour,
        )

    def _correct(self, subject: Match, decision: Correct) -> Decision:
        why_not = self._why_not_written()
        if why_not is not None:
            findings = tuple(
                replace(found, reason=why_not) if found.kind is Kind.MISSED_OUTCOME else found
                for found in decision.findings
            )
            self._verdict(subject, findings, corrected=False)
            return Flag(findings) if why_not is Reason.HOURLY_LIMIT else decision
        if self._allowance is not None:
            self._allowance -= 1
        self._writes.append(
            RowWrite(
                payment=decision.payment,
                to_status=decision.status,
                payment_intent=subject.intent.id,
                entry=self._correction(subject, decision),
            )
        )
        self._verdict(subject, decision.findings, corrected=True)
        return decision

    def _why_not_written(self) -> Reason | None:
        if self._actor.writing is not Writing.ROWS:
            reports = self._actor.mode is Mode.REPORT
            return Reason.REPORT_MODE if reports else Reason.NOT_APPLIED
        if self._allowance is not None and self._allowance <= 0:
            self.held_back += 1
            return Reason.HOURLY_LIMIT
        return None

    def _verdict(self, subject: Match, findings: tuple[Finding, ...], *, corrected: bool) -> None:
        stands = any(not (corrected and found.kind is Kind.MISSED_OUTCOME) for found in findings)
        self._settle(subject, corrected=corrected, has_finding=stands)
        own = tuple(found for found in findings if found.subject == subject.intent.id)
        for found in findings:
            if found.subject != subject.intent.id:
                self._foreign[found.subject, found.kind] = found
        known = self._known.get(subject.intent.id, ())
        intent = subject.intent
        shown = isinstance(intent, Intent)
        # who else was paid for the order is not always known here: while this one is paid, the pair stands
        paid = isinstance(intent, Intent) and intent.is_paid
        unseen = frozenset({Kind.DUPLICATE_PAYMENT}) if paid else frozenset()
        for change in updates_after_verdict(
            known, own, corrected=corrected, shown=shown, unseen=unseen
        ):
            self._changes[change.subject, change.kind] = change

    def _settle(self, subject: Match, *, corrected: bool, has_finding: bool) -> None:
        """A verdict lifts the check; the service leaves one for the next look at what stays open."""
        if self._actor.is_service:
            if corrected and isinstance(subject.intent, Intent):
                rows = (replace(row, outcome=subject.intent.outcome) for row in subject.payments)
                subject = replace(subject, payments=tuple(rows))
            recheck = planned_poll(
                subject,
                self._now,
                self._rules.horizon,
                jitter_of(self._actor.account),
                has_finding=has_finding,
            )
            if recheck is not None:
                self._rechecks.append(recheck)
                return
        self._settled.append(subject.intent.id)

    def _correction(self, subject: Match, decision: Correct) -> Draft:
        payment = decision.payment
        return Draft(
            Action.CORRECTION,
            {
                "sweep": self._actor.sweep,
                "asked_by": self._actor.asked_by,
                "key": payment.key,
                "payment_intent": subject.intent.id,
                "outcome": decision.outcome.value,
                "before": {"status": payment.status, "payment_intent": payment.payment_intent},
                "after": {"status": decision.status, "payment_intent": subject.intent.id},
                "amount": payment.amount,
                "currency": payment.currency,
                "request_id": subject.intent.request_id,
                "seen_at": subject.intent.seen_at,
            },
        )

    def _entry(self, change: DiscrepancyUpdate) -> Draft:
        action = Action.FINDING_OPENED if change.id is None else Action.FINDING_CHANGED
        body: dict[str, object] = {
            "sweep": self._actor.sweep,
            "asked_by": self._actor.asked_by,
            "subject": change.subject,
            "kind": change.kind.value,
            "state": change.state.value,
        }
        if change.closing is not None:
            body["closing"] = change.closing.value
        finding = change.finding
        if finding is not None:
            body |= {
                "severity": finding.severity.value,
                "keys": list(finding.keys),
                "stake": {"amount": finding.stake.amount, "currency": finding.stake.currency},
                "reason": finding.reason.value if finding.reason else None,
                "local": finding.local,
                "stripe": finding.stripe,
                "evidence": finding.evidence,
            }
        return Draft(action, body)
