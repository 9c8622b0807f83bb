"""From decisions to what is written: the rows, discrepancies, rechecks and ledger entries of one page."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, StoredDiscrepancy
from reconciler.domain.findings.lifecycle import (
    DiscrepancyUpdate,
    finding_entry,
    updates_after_verdict,
)
from reconciler.domain.model.intent import Event, Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.page import PageRecord, RefusedWrite, RowWrite
from reconciler.domain.model.payment import Payment
from reconciler.domain.model.recheck import NEXT_POLL, TABLE_REFUSED, Recheck
from reconciler.domain.rules.decision import Correct, Decision, Flag, Keep
from reconciler.domain.rules.grace import Wait
from reconciler.domain.statement.payment_difference import with_difference
from reconciler.engine.report import Mode, Writing
from reconciler.engine.review import Review
from reconciler.engine.sweep_context import Actor

REFUSED_AGAIN: Final = timedelta(hours=6)
"""When a correction that the merchant's table refused is tried again, unless its row changes before."""
REFUSED: Final = "refused by the table"
"""How the reason of such a recheck begins; the statement ``is_same_row`` reads it."""
REFUSED_PARTS: Final = "parts refused by the table"
UNDECIDED_AGAIN: Final = timedelta(days=1)
"""The service reads a payment that waits for a person once a day."""
NEVER: Final = timedelta(days=36_500)
"""The service no longer polls a payment past its horizon: its recheck lies a hundred years ahead."""
FINDING: Final = "a finding is open"
"""The reason of the daily recheck of a finding. With it the service notices that a person has repaired a settled row."""


class PageChanges:
    """Collects the decisions of one page.

    ``stored`` has the stored discrepancies by their subject. ``now`` is Stripe's time. ``corrections_left`` is how
    many rows may still be corrected in this hour, None if that is not limited. ``refused`` are the rows, by key, that the
    merchant's table refused in this transaction: they are reported, and take nothing of the limit. ``waiting`` are the
    rechecks of the page's intents. ``is_paused`` is whether a person has paused all writes.
    ``left`` are the discrepancies, by number, whose rows are not in the mapping any more.
    """

    def __init__(
        self,
        actor: Actor,
        rules: Rules,
        stored: Mapping[str, tuple[StoredDiscrepancy, ...]],
        now: datetime,
        corrections_left: int | None,
        refused: Mapping[str, RefusedWrite],
        waiting: Sequence[Recheck],
        review: Review | None = None,
        left: frozenset[int] = frozenset(),
        *,
        is_paused: bool = False,
    ) -> None:
        self._now = now
        self._actor = actor
        self._by_service = actor.is_service
        self._rules = rules
        self._stored = stored
        self._corrections_left = corrections_left
        self._refused = refused
        self._review = review
        self._left = left
        self._waiting = {recheck.payment_intent: recheck for recheck in waiting}
        self._writes: list[RowWrite] = []
        self._updates: dict[tuple[str, Kind], DiscrepancyUpdate] = {}
        self._sibling_findings: dict[tuple[str, Kind], Finding] = {}
        self._rechecks: list[Recheck] = []
        self._settled: list[str] = []
        self._events: list[Event] = []
        self._is_paused = is_paused
        self.held_back = 0
        self.paused = 0

    def add(self, match: Match, decision: Decision, events: Sequence[Event]) -> Decision:
        """Take the decision about one match, with the recent events that are known of its intent.

        Returns the decision that is carried out: a correction that the hourly limit holds back becomes a Flag.
        """
        self._events.extend(events)
        match decision:
            case Keep():
                self._add_verdict(match, (), corrected=False)
            case Flag(findings):
                self._add_verdict(match, findings, corrected=False)
            case Correct():
                return self._correct(match, decision)
            case Wait(until, why):
                self._rechecks.append(Recheck(match.intent.id, until, why))
            case _ as unreachable:
                assert_never(unreachable)
        return decision

    def page(self, before: Sequence[Recheck], most_an_hour: int | None) -> PageRecord | None:
        """Everything that was collected, None if there is nothing to write. ``before`` are the page's rechecks now."""
        self._add_sibling_findings()
        entries = [
            finding_entry(update, self._actor.sweep, self._actor.person)
            for update in self._updates.values()
            if update.is_news
        ]
        with_recheck = {recheck.payment_intent for recheck in before}
        settled = [
            intent
            for intent in self._settled
            # ``before`` has no recheck that only schedules a poll, and the service has to remove that too
            if intent in with_recheck or self._by_service
        ]
        if not any((self._writes, self._updates, self._rechecks, settled, self._events)):
            return None
        return PageRecord(
            writes=tuple(self._writes),
            updates=tuple(self._updates.values()),
            rechecks=tuple(self._rechecks),
            settled=tuple(settled),
            events=tuple(self._events),
            drafts=tuple(entries),
            seen_at=self._now,
            sweep=self._actor.sweep,
            most_an_hour=most_an_hour,
        )

    def _add_sibling_findings(self) -> None:
        """Add the findings that belong to a sibling, unless the sibling has a verdict of its own on this page."""
        for identity, finding in self._sibling_findings.items():
            if identity not in self._updates:
                stored = self._stored.get(finding.subject, ())
                same_kind = tuple(item for item in stored if item.kind is finding.kind)
                (update,) = updates_after_verdict(same_kind, (finding,), corrected=False)
                self._updates[identity] = update

    def _correct(self, match: Match, decision: Correct) -> Decision:
        for payment in decision.payments:
            if payment.key in self._refused:
                return self._report_refused(match, decision, self._refused[payment.key])
        earlier = refusal_in_force(decision, self._waiting.get(match.intent.id), self._now)
        if earlier is not None and not self._actor.names_payments:  # a named one is tried at once
            self._rechecks.append(earlier)
            return Wait(earlier.due_at, TABLE_REFUSED)

        written = {write.payment.key for write in self._writes}
        if not written.isdisjoint(payment.key for payment in decision.payments):
            # a second write would be a second ledger entry and a second event for one change
            why = "another correction of the same page already writes this row"
            self._rechecks.append(Recheck(match.intent.id, self._now, why))
            return Wait(self._now, why)

        why_not = self._why_not_written(decision)
        if why_not is not None:
            findings = tuple(
                replace(finding, reason=why_not) if finding.kind.is_correctable else finding
                for finding in decision.findings
            )
            self._add_verdict(match, findings, corrected=False)
            # a sweep that may write and does not has decided otherwise; a dry run or a report shows a correction
            return Flag(findings) if self._actor.writing is Writing.ROWS else decision

        if self._corrections_left is not None:
            self._corrections_left -= len(decision.payments)
        self._writes.extend(
            RowWrite(
                payment=payment,
                to_status=decision.status,
                payment_intent=decision.to_intent or match.intent.id,
                entry=self._correction_entry(match, decision, payment),
                sets=decision.outcome,
            )
            for payment in decision.payments
        )
        self._add_verdict(match, decision.findings, corrected=True)
        return decision

    def _report_refused(self, match: Match, decision: Correct, refused: RefusedWrite) -> Decision:
        """The merchant's table has the last word: what it refuses is a finding, and is tried again later."""
        findings = tuple(
            replace(
                finding,
                reason=refused.reason,
                evidence={
                    **finding.evidence,
                    "constraint": refused.constraint,
                    "message": refused.message,
                },
            )
            if finding.kind is Kind.MISSED_OUTCOME
            else finding
            for finding in decision.findings
        )
        recheck = Recheck(match.intent.id, self._now + REFUSED_AGAIN, _why_refused(decision))
        self._add_verdict(match, findings, corrected=False, recheck=recheck)
        return Flag(findings)

    def _why_not_written(self, decision: Correct) -> Reason | None:
        """Why the rows of a correction, which are written all or none, are not written; None if they are."""
        rows = len(decision.payments)
        if self._actor.writing is not Writing.ROWS:
            is_report_mode = self._actor.mode is Mode.REPORT
            return Reason.REPORT_MODE if is_report_mode else Reason.NOT_APPLIED
        if self._review is not None:
            correctable = (found for found in decision.findings if found.kind.is_correctable)
            if not all(self._review.allows(found, decision.status) for found in correctable):
                return Reason.NOT_APPLIED
        if self._is_paused:
            self.paused += rows
            return Reason.PAUSED
        if self._corrections_left is not None and self._corrections_left < rows:
            self.held_back += rows
            return Reason.HOURLY_LIMIT
        return None

    def _add_verdict(
        self,
        match: Match,
        findings: tuple[Finding, ...],
        *,
        corrected: bool,
        recheck: Recheck | None = None,
    ) -> None:
        """Store a verdict. ``recheck`` takes the place of the recheck that the service would store."""
        intent = match.intent
        stays_open = any(not (corrected and finding.kind.is_correctable) for finding in findings)
        if recheck is not None:
            self._rechecks.append(recheck)
        else:
            self._settle(match, corrected=corrected, has_finding=stays_open)

        # a duplicate may belong to a sibling, and is stored under the sibling's id
        own = []
        for finding in with_difference(match, findings):
            if finding.belongs_to(intent.id):
                own.append(finding)
            else:
                self._sibling_findings[finding.subject, finding.kind] = finding

        # This page does not always know the other intents that were paid for the order. While this intent is paid,
        # its duplicate_payment is therefore not closed.
        is_paid = isinstance(intent, Intent) and intent.is_paid
        unseen = {Kind.DUPLICATE_PAYMENT} if is_paid else set()
        # without its order it cannot be seen whether another intent still pays for the row
        order = match.facts.order
        if match.payments and not is_paid and (order is None or not order.is_complete):
            unseen.add(Kind.PAID_BY_OTHER_INTENT)
        for update in updates_after_verdict(
            self._stored.get(intent.id, ()),
            tuple(own),
            corrected=corrected,
            shown=isinstance(intent, Intent),
            unseen=frozenset(unseen),
            left=self._left,
        ):
            self._updates[update.subject, update.kind] = update

    def _settle(self, match: Match, *, corrected: bool, has_finding: bool) -> None:
        """Remove the recheck after a verdict. The service stores the next one if the payment stays open."""
        if self._by_service:
            if corrected and isinstance(match.intent, Intent):
                # the schedule follows from the row as it is after the write
                rows = (replace(row, outcome=match.intent.outcome) for row in match.payments)
                match = replace(match, payments=tuple(rows))
            recheck = next_recheck(
                match,
                self._now,
                self._rules.horizon,
                jitter_of(self._actor.account),
                has_finding=has_finding,
            )
            if recheck is not None:
                self._rechecks.append(recheck)
                return
        self._settled.append(match.intent.id)

    def _correction_entry(self, match: Match, decision: Correct, payment: Payment) -> Draft:
        intent = decision.to_intent or match.intent.id
        return Draft(
            Action.CORRECTION,
            {
                "sweep": self._actor.sweep,
                **self._actor.person.fields,
                "key": payment.key,
                "payment_intent": intent,
                "outcome": decision.outcome.value,
                "before": {"status": payment.status, "payment_intent": payment.payment_intent},
                "after": {"status": decision.status, "payment_intent": intent},
                "amount": payment.amount,
                "currency": payment.currency,
                "request_id": match.intent.request_id,
                "seen_at": match.intent.seen_at,
            },
        )


def refusal_in_force(decision: Correct, recheck: Recheck | None, now: datetime) -> Recheck | None:
    """The recheck, if the table refused the same write to the same rows and it is not due yet; None otherwise."""
    in_force = recheck and recheck.due_at > now and recheck.reason == _why_refused(decision)
    return recheck if in_force else None


def _why_refused(decision: Correct) -> str:
    """The reason of the recheck of a refused correction. It says what was refused: a changed row is tried at once."""
    rows = [
        " ".join(
            value
            for value in (row.status, row.stored_amount, row.stored_currency)
            if value is not None
        )
        for row in decision.payments
    ]
    if len(rows) == 1:
        return f"{REFUSED}: {rows[0]} -> {decision.status}"
    return f"{REFUSED_PARTS}: {'; '.join(rows)} -> {decision.status}"


def next_recheck(
    match: Match, now: datetime, horizon: timedelta, jitter: float, *, has_finding: bool = False
) -> Recheck | None:
    """When the service reads a match again that got a verdict; None if nothing can change by itself any more.

    ``has_finding`` is whether a finding of the match stays open. ``jitter`` is from 0 to 1.
    """
    if has_finding:
        return Recheck(match.intent.id, now + UNDECIDED_AGAIN, FINDING)
    # a settled row is read again only if an event, a window or a recheck asks for it
    open_rows = [payment for payment in match.payments if payment.outcome.is_open]
    if not open_rows:
        return None
    intent = match.intent
    # Stripe's side is final and the row is not: only a person, or the next sweep that may write, can change that
    if not isinstance(intent, Intent) or not intent.outcome.is_open:
        return Recheck(intent.id, now + UNDECIDED_AGAIN, NEXT_POLL)
    # imported here: only the service polls
    from reconciler.domain.polling.next_poll import next_poll

    due_at = next_poll(intent, now, open_rows[0].created, horizon, jitter)
    return Recheck(intent.id, due_at or now + NEVER, NEXT_POLL)


def jitter_of(account: str) -> float:
    """The jitter of an account, from 0 to 1. Payments of one age then come due together, and one list reads them."""
    digest = hashlib.sha256(account.encode()).digest()
    return int.from_bytes(digest[:4]) / 2**32
