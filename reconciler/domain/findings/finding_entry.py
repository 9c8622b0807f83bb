"""The ledger entry of a discrepancy that was opened, changed, corrected, closed or settled."""

from __future__ import annotations

from reconciler.domain.audit.ledger_entry import Action, AskedBy, Draft
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate


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
