"""The life of a discrepancy: what an examination that ended with a verdict does to those that are known."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.domain.findings.discrepancy import Closing, Finding, Kind, State, StoredDiscrepancy


@dataclass(frozen=True, slots=True)
class DiscrepancyUpdate:
    """What an examination does to one discrepancy. ``id`` is None for a new one.

    ``is_news`` is whether it goes into the ledger: opened, reopened, changed, corrected or closed, but not merely
    seen again.
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
    """Who settled it and why, where a person did."""


def updates_after_verdict(
    known: tuple[StoredDiscrepancy, ...],
    findings: tuple[Finding, ...],
    *,
    corrected: bool,
    shown: bool = True,
    unseen: frozenset[Kind] = frozenset(),
) -> tuple[DiscrepancyUpdate, ...]:
    """The life of one subject's discrepancies after an examination that ended with a verdict.

    ``known`` are all discrepancies stored for it, in whatever state; ``corrected`` is whether its missed_outcome has
    just been written to the row. ``shown`` is whether Stripe showed the intent: a 404 is no verdict about money and
    closes nothing but what its own finding supersedes. ``unseen`` are side kinds that this examination could not see the
    end of. A waiting subject has no verdict and must not come here.
    """
    stored = {item.kind: item for item in known}
    present = {finding.kind for finding in findings}
    shown = shown and Kind.MISSING_AT_STRIPE not in present
    pair_remains = any(not kind.is_side for kind in present)
    result = [_met(stored.get(finding.kind), finding, corrected=corrected) for finding in findings]
    for item in known:
        if item.kind in present or item.state is not State.OPEN:
            continue
        if not shown and (item.kind.is_side or not pair_remains):
            continue
        if item.kind in unseen:
            continue
        if item.kind.is_side:
            closing = Closing.CONDITION_GONE
        else:
            closing = Closing.SUPERSEDED if pair_remains else Closing.AGREEMENT
        result.append(
            DiscrepancyUpdate(item.id, item.subject, item.kind, State.CLOSED, None, True, closing)
        )
    return tuple(result)


def _met(
    stored: StoredDiscrepancy | None, finding: Finding, *, corrected: bool
) -> DiscrepancyUpdate:
    done = corrected and finding.kind is Kind.MISSED_OUTCOME
    state = State.CORRECTED if done else State.OPEN
    if stored is None:
        return DiscrepancyUpdate(None, finding.subject, finding.kind, state, finding, True)
    same = stored.fingerprint == finding.fingerprint
    if not done and same and stored.state.is_by_person:
        return DiscrepancyUpdate(
            stored.id, stored.subject, stored.kind, stored.state, finding, False
        )
    # a row that was written back and corrected again is news, though nothing stored differs
    news = done or stored.state is not state or not same or stored.reason is not finding.reason
    return DiscrepancyUpdate(stored.id, stored.subject, stored.kind, state, finding, news)


def is_settled_by_person(known: tuple[StoredDiscrepancy, ...], finding: Finding) -> bool:
    """Whether a person has already dealt with this finding, with the same values on both sides."""
    return any(
        item.kind is finding.kind
        and item.state.is_by_person
        and item.fingerprint == finding.fingerprint
        for item in known
    )
