"""What a dry run shows of corrections that the merchant's table has refused: the sweep that may write does not try them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.model.recheck import TABLE_REFUSED, Recheck
from reconciler.domain.rules.decision import Correct
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.decided_page import MatchDecision
from reconciler.engine.page.page_changes import refusal_in_force


def with_refused_waiting(
    decisions: Iterable[MatchDecision], waiting: Iterable[Recheck], now: datetime
) -> list[MatchDecision]:
    """The decisions; a correction of a row that is as it was when the table refused it waits for its recheck."""
    rechecks = {recheck.payment_intent: recheck for recheck in waiting}
    shown = []
    for item in decisions:
        earlier = None
        if isinstance(item.decision, Correct):
            earlier = refusal_in_force(item.decision, rechecks.get(item.match.intent.id), now)
        wait = None if earlier is None else Wait(earlier.due_at, TABLE_REFUSED)
        shown.append(item if wait is None else replace(item, decision=wait))
    return shown
