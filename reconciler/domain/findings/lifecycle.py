"""The life of a discrepancy: how a verdict opens, changes, closes and reopens what is stored, and its ledger entries."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.discrepancy import Closing, Finding, Kind, State, StoredDiscrepancy
from reconciler.domain.findings.reverted_correction import Revert


@dataclass(frozen=True, slots=True)
class DiscrepancyUpdate:
    """What a verdict, or a person, does to one discrepancy. ``id`` is None for a new one.

    ``is_news`` is whether the ledger records it: an opened, reopened, changed, corrected or closed discrepancy does,
    one that was merely seen again does not.
    """

    id: int | None
    subject: str
    kind: Kind
    state: State
    finding: Finding | None
    is_news: bool
    closing: Closing | None = None
    by: str | None = None
    note: str | None = None
    """``by`` and ``note`` are the person who settled it and the reason; None if no person did."""
    revert: Revert | None = None
    """The correction that a person has just taken back; None if that is not what this update is about."""
    ends_revert: bool = False
    """Whether what a person took back may be corrected again: it was written after all, or the outcome is another."""


def updates_after_verdict(
    known: tuple[StoredDiscrepancy, ...],
    findings: tuple[Finding, ...],
    *,
    corrected: bool,
    shown: bool = True,
    unseen: frozenset[Kind] = frozenset(),
    left: frozenset[int] = frozenset(),
) -> tuple[DiscrepancyUpdate, ...]:
    """What the verdict about one subject does to its discrepancies. A match that waits has no verdict.

    ``known`` are all discrepancies stored for the subject, in every state. ``corrected`` is whether its missed_outcome
    was just written to the row. ``shown`` is whether Stripe showed the intent: a 404 says nothing about the money, so
    it closes only what its own finding replaces. ``unseen`` are the side kinds that this examination could not judge,
    so that they stay open. ``left`` are the numbers of the discrepancies whose rows are not in the mapping any more.
    """
    # missing_at_stripe is a 404, even if the caller does not say so
    stored_by_kind = {stored.kind: stored for stored in known}
    present = {finding.kind for finding in findings}
    shown = shown and Kind.MISSING_AT_STRIPE not in present
    has_pair_finding = any(not kind.is_side for kind in present)

    result = [
        _update_of_present(stored_by_kind.get(finding.kind), finding, corrected=corrected)
        for finding in findings
    ]
    for stored in known:
        if stored.kind in present or stored.kind in unseen or stored.state is not State.OPEN:
            continue
        # after a 404 it is certain that the row left, and what another finding replaces
        is_certain = shown or (has_pair_finding and not stored.kind.is_side)
        if stored.id in left:
            closing = Closing.OUT_OF_SCOPE
        elif is_certain:
            closing = _closing(stored.kind, has_pair_finding=has_pair_finding)
        else:
            continue
        result.append(
            DiscrepancyUpdate(
                stored.id, stored.subject, stored.kind, State.CLOSED, None, True, closing
            )
        )
    return tuple(result)


def _closing(kind: Kind, *, has_pair_finding: bool) -> Closing:
    if kind.is_side:
        return Closing.CONDITION_GONE
    return Closing.SUPERSEDED if has_pair_finding else Closing.AGREEMENT


def _update_of_present(
    stored: StoredDiscrepancy | None, finding: Finding, *, corrected: bool
) -> DiscrepancyUpdate:
    """What a finding does to the discrepancy that is stored for it, if there is one."""
    is_corrected = corrected and finding.kind.is_correctable
    state = State.CORRECTED if is_corrected else State.OPEN
    if stored is None:
        return DiscrepancyUpdate(None, finding.subject, finding.kind, state, finding, True)
    # at another outcome the question is another one
    ends_revert = stored.revert is not None and (
        is_corrected or stored.revert.outcome != finding.stripe.get("outcome")
    )

    same_values = stored.fingerprint == finding.fingerprint
    # what a person settled stays settled while nothing has changed
    if not is_corrected and same_values and stored.state.is_by_person:
        return DiscrepancyUpdate(
            stored.id,
            stored.subject,
            stored.kind,
            stored.state,
            finding,
            False,
            ends_revert=ends_revert,
        )
    # a correction is always news: the merchant's code may have undone an earlier one, which leaves no stored difference
    is_news = (
        is_corrected
        or stored.state is not state
        or not same_values
        or stored.reason is not finding.reason
    )
    return DiscrepancyUpdate(
        stored.id,
        stored.subject,
        stored.kind,
        state,
        finding,
        is_news,
        ends_revert=ends_revert,
    )


def is_settled_by_person(known: tuple[StoredDiscrepancy, ...], finding: Finding) -> bool:
    """Whether a person has settled this finding while both sides had the same values as now."""
    return any(
        stored.kind is finding.kind
        and stored.state.is_by_person
        and stored.fingerprint == finding.fingerprint
        for stored in known
    )


def revert_of(
    known: tuple[StoredDiscrepancy, ...], finding: Finding, outcome: str
) -> Revert | None:
    """The revert that keeps a correction to this outcome from being made again; None if there is none."""
    for stored in known:
        revert = stored.revert
        if stored.kind is finding.kind and revert is not None:
            return revert if revert.concerns(outcome, finding.keys) else None
    return None


def finding_entry(update: DiscrepancyUpdate, sweep: int | None, asked_by: AskedBy) -> Draft:
    """The entry of an update. ``sweep`` is None if a person settles the discrepancy outside a sweep.

    It has everything that ``verify`` compares with the stored discrepancy: identity, state, both sides' values and
    fingerprint.
    """
    action = Action.FINDING_OPENED if update.id is None else Action.FINDING_CHANGED
    body: dict[str, object] = {
        "sweep": sweep,
        **asked_by.fields,
        "subject": update.subject,
        "kind": update.kind.value,
        "state": update.state.value,
    }
    if update.closing is not None:
        body["closing"] = update.closing.value
    if update.revert is not None:
        body["reverted"] = update.revert.evidence
    finding = update.finding
    if finding is not None:
        body |= {
            "severity": finding.severity.value,
            "keys": list(finding.keys),
            "stake": {"amount": finding.stake.amount, "currency": finding.stake.currency},
            "reason": finding.reason.value if finding.reason else None,
            "local": finding.local,
            "stripe": finding.stripe,
            "evidence": finding.evidence,
            "fingerprint": finding.fingerprint,
        }
        if finding.difference:
            body |= {
                "difference": finding.difference,
                "payment_created": finding.payment_created,
            }
    return Draft(action, body)
