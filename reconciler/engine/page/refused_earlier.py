"""What a dry run shows of corrections that the merchant's table has refused: the sweep that may write does not try them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from reconciler.domain.model.recheck import TABLE_REFUSED, Recheck
from reconciler.domain.rules.decision import Correct
from reconciler.domain.rules.grace import Wait
from reconciler.engine.page.decided_page import MatchDecision
from reconciler.engine.page.page_changes import why_refused


def with_refused_waiting(
    decisions: Iterable[MatchDecision], waiting: Iterable[Recheck], now: datetime
) -> list[MatchDecision]:
    """The decisions; a correction of a row that is as it was when the table refused it waits for its recheck."""
    later = {recheck.payment_intent: recheck for recheck in waiting if recheck.due_at > now}
    shown = []
    for item in decisions:
        earlier = later.get(item.match.intent.id)
        if (
            earlier is not None
            and isinstance(item.decision, Correct)
            and earlier.reason == why_refused(item.decision)
        ):
            shown.append(replace(item, decision=Wait(earlier.due_at, TABLE_REFUSED)))
        else:
            shown.append(item)
    return shown
