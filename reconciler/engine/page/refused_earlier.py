"""What a dry run shows of corrections that the merchant's table has refused: it promises nothing of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.domain.findings.discrepancy import Finding, Kind, Reason, State
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.recheck import TABLE_REFUSED, Recheck
from reconciler.domain.rules.decision import Correct, Decision, Flag
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.decided_page import MatchDecision
from reconciler.engine.page.page_changes import refusal_in_force
from reconciler.engine.report import REFUSALS

Refused = Mapping[tuple[str, Kind, str], Reason | None]
"""Why the table refused a correction, by the subject, kind and fingerprint of the finding that this left."""


def with_refused_corrections(
    page: Iterable[MatchDecision], loaded: Loaded, now: datetime, *, named: bool
) -> list[MatchDecision]:
    """The decisions of a page, without the corrections that the table refused for both sides as they are now.

    Such a correction waits for its recheck. If the recheck is due, or if a person ``named`` the payments, the sweep
    that may write tries it at once; a dry run then shows the finding that the last try has left, with its reason.
    """
    rechecks = {recheck.payment_intent: recheck for recheck in loaded.waiting}
    refused = {
        (one.subject, one.kind, one.fingerprint): one.reason
        for one in loaded.known
        if one.state is State.OPEN and one.reason in REFUSALS
    }
    shown = []
    for item in page:
        if isinstance(item.decision, Correct):
            recheck = rechecks.get(item.match.intent.id)
            decision = _shown(item.decision, recheck, refused, now, named=named)
            shown.append(replace(item, decision=decision))
        else:
            shown.append(item)
    return shown


def _shown(
    decision: Correct, recheck: Recheck | None, refused: Refused, now: datetime, *, named: bool
) -> Decision:
    earlier = refusal_in_force(decision, recheck, now)
    if earlier is not None and not named:
        return Wait(earlier.due_at, TABLE_REFUSED)
    findings = tuple(_as_left(finding, refused) for finding in decision.findings)
    return decision if findings == decision.findings else Flag(findings)


def _as_left(finding: Finding, refused: Refused) -> Finding:
    """The finding with the reason that the last try has left."""
    reason = refused.get((finding.subject, finding.kind, finding.fingerprint))
    return finding if reason is None else replace(finding, reason=reason)
