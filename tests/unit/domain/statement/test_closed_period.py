"""Signed periods that share days: a month, a range over it, and what only touches it."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from zoneinfo import ZoneInfo

from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.statement.close_state import Step
from reconciler.domain.statement.closed_period import ClosedPeriod, signed_overlaps
from reconciler.domain.statement.period import Period

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def closed(first: str, last: str, *actions: Action, zone: tzinfo = UTC) -> ClosedPeriod:
    """A period with these steps."""
    steps = tuple(
        Step(seq, NOW, action, "os:ana", None, "ana", None, NOW, {}, None)
        for seq, action in enumerate(actions or (Action.PERIOD_PREPARED, Action.PERIOD_SIGNED))
    )
    return ClosedPeriod(Period(date.fromisoformat(first), date.fromisoformat(last), zone), steps)


def test_only_signed_periods_with_a_common_day_overlap() -> None:
    """Not the period itself, not its neighbour, and not one that was opened again."""
    october = closed("2026-10-01", "2026-10-31")
    quarter = closed("2026-10-01", "2026-12-31")
    others = [
        october,
        quarter,
        closed("2026-11-01", "2026-11-30"),
        closed("2026-10-10", "2026-10-20", Action.PERIOD_PREPARED),
        closed("2026-10-10", "2026-10-21", Action.PERIOD_SIGNED, Action.PERIOD_REOPENED),
        closed("2026-09-15", "2026-10-01"),
    ]
    assert signed_overlaps(october.period, others) == (others[-1], quarter)
    assert [one.signature is None for one in others] == [False, False, False, True, True, False]


def test_days_of_another_time_zone_overlap_by_their_moments() -> None:
    """The same dates in another zone are another period; the day after may still share hours."""
    tokyo = closed("2026-11-01", "2026-11-30", zone=ZoneInfo("Asia/Tokyo"))
    october = closed("2026-10-01", "2026-10-31")
    assert signed_overlaps(october.period, [tokyo]) == (tokyo,)
    assert signed_overlaps(Period(date(2026, 11, 1), date(2026, 11, 30), UTC), [tokyo]) == (tokyo,)
    assert signed_overlaps(Period(date(2026, 12, 1), date(2026, 12, 31), UTC), [tokyo]) == ()
