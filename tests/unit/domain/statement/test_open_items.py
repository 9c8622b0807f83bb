"""What a statement says of open items: their age and owner, what lost webhooks cost, and what came after the cut-off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from reconciler.domain.statement.day_entry import WindowSweep
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingRecord, histories
from reconciler.domain.statement.statement import AgedItems, PartOfOpen, Statement, statement_of
from reconciler.domain.statement.statement_figures import Movement, age_of

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
CUT = datetime(2026, 11, 6, tzinfo=UTC)
LATER = CUT + timedelta(days=9)
DAY = timedelta(days=1)
PAID = datetime(2026, 10, 3, 12, tzinfo=UTC)
SWEEP = WindowSweep(100, CUT - DAY, 9, OCTOBER.first, OCTOBER.last, "UTC")
FOUND = FindingRecord(
    50, CUT - 3 * DAY, "pi_1", "missed_outcome", "open", {"eur": -700}, PAID, paid_at=PAID
)


def made(
    *records: FindingRecord,
    owners: Mapping[tuple[str, str], str] | None = None,
    materiality: Mapping[str, int] | None = None,
) -> Statement:
    """The statement of October, of what was known nine days after the cut-off."""
    ordered: Iterable[FindingRecord] = sorted(
        records, key=lambda one: (one.subject, one.kind, one.seq)
    )
    return statement_of(
        "default",
        OCTOBER,
        CUT,
        [SWEEP],
        [],
        histories(ordered),
        as_of=LATER,
        owners=owners,
        materiality=materiality,
    )


@pytest.mark.parametrize(
    ("hours", "age"), [(0, "0-1"), (47, "0-1"), (48, "2-7"), (191, "2-7"), (192, "8-30"), (744, "over 30")]
)  # fmt: skip
def test_the_age_is_in_whole_days(hours: int, age: str) -> None:
    """Two days old is what two whole days have passed of."""
    assert age_of(CUT - timedelta(hours=hours), CUT) == age


def test_open_items_are_aged_with_their_owners() -> None:
    """Together they are what is open at the end; those without an owner come last."""
    old = replace(FOUND, seq=1, subject="pi_0", at=CUT - 40 * DAY)
    other = replace(FOUND, seq=51, subject="pi_2", difference={"eur": -1})
    found = made(FOUND, old, other, owners={("pi_2", "missed_outcome"): "ana"})
    (eur,) = found.currencies
    assert found.aged(eur) == (
        AgedItems("2-7", "ana", Movement(1, -1)),
        AgedItems("2-7", None, Movement(1, -700)),
        AgedItems("over 30", None, Movement(1, -700)),
    )
    assert sum((aged.items.amount for aged in found.aged(eur)), 0) == eur.closing.amount


def test_materiality_sums_small_items_and_hides_none() -> None:
    """They are in every figure, and only the list for people has them as one sum."""
    small = replace(FOUND, seq=51, subject="pi_2", difference={"eur": 99})
    (eur,) = made(FOUND, small, materiality={"eur": 100}).currencies
    assert [item.subject for item in eur.material_items] == ["pi_1"]
    assert eur.below_materiality == Movement(1, 99)
    assert (len(eur.items), eur.explained) == (2, -601)
    (eur,) = made(FOUND, small).currencies
    assert (len(eur.material_items), eur.below_materiality) == (2, Movement())


def test_what_lost_webhooks_cost() -> None:
    """Payments that Stripe had taken and the table did not know, and until when all was right."""
    fixed = replace(FOUND, seq=60, at=CUT - 2 * DAY, state="corrected", difference={})
    second = replace(FOUND, seq=61, subject="pi_2", paid_at=None, difference={"eur": -50})
    again = replace(second, seq=62, at=second.at + DAY, state="closed", difference={})
    mismatch = replace(FOUND, seq=63, subject="pi_3", kind="amount_mismatch")
    (eur,) = made(FOUND, fixed, second, again, mismatch).currencies
    lost = eur.lost_webhooks
    assert (lost.lost, lost.not_right) == (Movement(2, 750), Movement())
    assert lost.slowest == fixed.at - PAID == again.at - PAID

    (eur,) = made(FOUND, second, again).currencies
    assert eur.lost_webhooks.not_right == Movement(1, 700)


def test_what_came_after_the_cutoff_changes_no_figure() -> None:
    """It stands beside them: what cleared, what came up, what a person settled, and what has another amount."""
    after = CUT + DAY
    cleared = replace(FOUND, seq=201, at=after, state="corrected", difference={})
    new = replace(FOUND, seq=202, at=after, subject="pi_2", difference={"eur": -5})
    other = replace(FOUND, seq=51, subject="pi_3")
    more = replace(other, seq=203, at=after + DAY, difference={"eur": -900})
    settled = replace(FOUND, seq=52, subject="pi_4")
    ignored = replace(settled, seq=204, at=after, state="ignored")
    seen = replace(FOUND, seq=53, subject="pi_5")
    again = replace(seen, seq=205, at=after)
    found = made(FOUND, cleared, new, other, more, settled, ignored, seen, again)
    (eur,) = found.currencies
    assert eur.closing == Movement(4, -2800)
    events = {
        (event.after or event.before).subject: (  # type: ignore[union-attr]
            event.before.amount if event.before else 0,
            event.after.amount if event.after else 0,
            event.state,
        )
        for event in eur.subsequent
    }
    assert events == {
        "pi_1": (-700, 0, "corrected"),
        "pi_2": (0, -5, "open"),
        "pi_3": (-700, -900, "open"),
        "pi_4": (-700, -700, "ignored"),
    }
    assert eur.subsequent[-1].at == more.at
    for event in eur.subsequent:
        amounts = [0 if item is None else item.amount for item in (event.before, event.after)]
        assert [event.amount_before, event.amount_after] == amounts


def test_every_item_of_the_roll_forward_is_known() -> None:
    """The items of the beginning are its sum, those of the end are its sum, and each says what became of it."""
    before = FOUND.payment_created - 9 * DAY if FOUND.payment_created else None
    start = OCTOBER.start - DAY
    carried = replace(
        FOUND, seq=1, at=start, subject="pi_0", difference={"eur": -5}, payment_created=before
    )
    gone = replace(carried, seq=2, subject="pi_2", difference={"eur": -8})
    cleared = replace(gone, seq=60, at=CUT - DAY, state="corrected", difference={})
    later = replace(FOUND, seq=61, subject="pi_3", payment_created=OCTOBER.end)
    found = made(carried, gone, cleared, later, FOUND)
    (eur,) = found.currencies
    assert [(one.item.subject, one.item.amount, one.is_carried) for one in eur.opening_items] == [
        ("pi_2", -8, False), ("pi_0", -5, True),
    ]  # fmt: skip
    assert sum(one.item.amount for one in eur.opening_items) == eur.opening.amount
    assert {item.subject: found.part_of(item) for item in eur.open_items} == {
        "pi_0": PartOfOpen.CARRIED_IN, "pi_1": PartOfOpen.OF_PERIOD, "pi_3": PartOfOpen.LATER,
    }  # fmt: skip
    assert sum(item.amount for item in eur.open_items) == eur.closing.amount
