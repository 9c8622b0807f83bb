"""Local less Stripe is the difference, findings explain it, and what is left is unexplained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.statement.day_entry import DayEntry, LeftOut, WindowSweep
from reconciler.domain.statement.period import Period
from reconciler.domain.statement.reconciling_item import FindingHistory, FindingRecord, histories
from reconciler.domain.statement.statement import Statement, statement_of
from reconciler.domain.statement.statement_figures import Movement

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), UTC)
CUT = datetime(2026, 11, 5, tzinfo=UTC)
SWEEP = WindowSweep(100, CUT - timedelta(days=1), 9, OCTOBER.first, OCTOBER.last, "UTC")
DAY = date(2026, 10, 3)
ENTRY = DayEntry(
    sweep=9,
    day=DAY,
    currency="eur",
    local={"succeeded": (2, 3000), "refunded": (1, 500), "incomplete": (4, 9999)},
    received=(4, 4200),
    refunded=500,
    disputed=40,
    moved=0,
    waiting=0,
    returned=0,
    unrelated=(1, 77),
    outside_mapping=(2, 88),
)
FOUND = FindingRecord(
    50, CUT - timedelta(days=2), "pi_1", "missed_outcome", "open", {"eur": -700},
    datetime.combine(DAY, time(12), UTC),
)  # fmt: skip


def by_finding(records: Iterable[FindingRecord]) -> Iterator[FindingHistory]:
    """The histories of records in any order."""
    return histories(sorted(records, key=lambda one: (one.subject, one.kind, one.seq)))


def made(
    *entries: DayEntry,
    items: tuple[FindingRecord, ...] = (),
    sweeps: tuple[WindowSweep, ...] = (SWEEP,),
) -> Statement:
    """The statement of October."""
    return statement_of("default", OCTOBER, CUT, sweeps, entries, by_finding(items))


def test_the_figures_of_a_currency() -> None:
    """Rows that took money against what Stripe received; open rows are no money."""
    (eur,) = made(ENTRY, items=(FOUND,)).currencies
    assert (eur.local, eur.local_count) == (3500, 3)
    assert (eur.stripe, eur.stripe_count) == (4200, 4)
    assert (eur.difference, eur.explained, eur.unexplained) == (-700, -700, 0)
    assert (eur.refunded, eur.disputed) == (500, 40)
    assert (eur.unrelated, eur.outside_mapping) == (Movement(1, 77), Movement(2, 88))


def test_taking_a_finding_away_moves_unexplained_by_its_difference() -> None:
    """Nothing else explains it."""
    (eur,) = made(ENTRY).currencies
    assert eur.unexplained == -700


def test_the_days_own_notes_explain_too() -> None:
    """Rows of another day, payments whose webhook may be on its way, payments of which nothing is kept."""
    (eur,) = made(replace(ENTRY, moved=-400, waiting=-200, returned=-100)).currencies
    assert (eur.explained, eur.unexplained) == (-700, 0)


def test_payments_without_a_finding_are_named_over_all_days() -> None:
    """Each day names some of its own."""
    days = [
        replace(ENTRY, waiting_payments=(1, ("pi_1",)), returned_payments=(25, ("pi_2",))),
        replace(ENTRY, day=date(2026, 10, 4), waiting_payments=(2, ("pi_3", "pi_4"))),
    ]
    (eur,) = statement_of("default", OCTOBER, CUT, [SWEEP], days, []).currencies
    assert eur.waiting_payments == (3, ("pi_1", "pi_3", "pi_4"))
    assert eur.returned_payments == (25, ("pi_2",))


def test_a_currency_whose_rows_are_all_left_out_has_no_figures() -> None:
    """There is nothing to compare; the days still hold what a certificate counts."""
    left_out = {"foreign_id": LeftOut(1, 70, 1, 70) + LeftOut(2, 5)}
    alone = DayEntry(
        sweep=9, day=DAY, currency="gbp", local={}, received=(0, 0), refunded=0, disputed=0, moved=0, waiting=0,
        returned=0, unrelated=(0, 0), outside_mapping=(0, 0), left_out=left_out,
    )  # fmt: skip
    found = statement_of("default", OCTOBER, CUT, [SWEEP], [ENTRY, alone], [])
    assert [one.currency for one in found.currencies] == ["eur"]
    assert found.days[-1].left_out == {"foreign_id": LeftOut(3, 75, 1, 70)}


def test_a_day_stands_as_its_last_sweep_saw_it() -> None:
    """An older count of the same day is left out, and so are findings that came later than the count."""
    later = replace(SWEEP, seq=200, sweep=10, first=DAY)
    newer = replace(ENTRY, sweep=10, local={"succeeded": (4, 4200)})
    fixed = replace(FOUND, seq=150, state="corrected")
    (eur,) = made(ENTRY, newer, items=(FOUND, fixed), sweeps=(later, SWEEP)).currencies
    assert (eur.local, eur.stripe, eur.unexplained, eur.items) == (4200, 4200, 0, [])
    # before that sweep both were as the earlier one had seen them
    (eur,) = made(ENTRY, newer, items=(FOUND, fixed)).currencies
    assert (eur.local, eur.unexplained, len(eur.items)) == (3500, 0, 1)


def test_a_day_without_a_sweep_is_not_examined() -> None:
    """Its money is in no sum, and it is never zero silently."""
    short = replace(SWEEP, first=date(2026, 10, 3), last=date(2026, 10, 30))
    found = made(ENTRY, items=(FOUND,), sweeps=(short,))
    assert found.days_not_examined == (date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 31))
    assert not found.is_complete
    assert found.sweeps == (short,)
    assert made(ENTRY).is_complete
    nothing = made(ENTRY, sweeps=())
    assert (nothing.currencies, len(nothing.days_not_examined)) == ((), 31)


def test_a_finding_explains_the_day_that_its_payment_has_last() -> None:
    """If another payment took its place, the day of the first one has no item of it."""
    next_day = datetime.combine(DAY + timedelta(days=1), time(12), UTC)
    moved = replace(FOUND, seq=60, payment_created=next_day)
    (eur,) = made(ENTRY, items=(FOUND, moved)).currencies
    assert [item.payment_created for item in eur.items] == [next_day]


def test_a_lost_webhook_without_a_time_is_counted_and_not_timed() -> None:
    """Where nothing says when the payment began, how long it took to become right is not known."""
    found = replace(FOUND, payment_created=None)
    fixed = replace(FOUND, seq=60, state="corrected")
    (eur,) = made(ENTRY, items=(found, fixed)).currencies
    assert (eur.lost_webhooks.lost, eur.lost_webhooks.slowest) == (Movement(1, 700), None)


def test_findings_of_other_periods_are_not_items() -> None:
    """They are in the roll-forward alone, which is about all open differences of the account."""
    september = replace(
        FOUND,
        seq=1,
        at=datetime(2026, 9, 9, tzinfo=UTC),
        payment_created=datetime(2026, 9, 8, tzinfo=UTC),
    )
    (eur,) = made(ENTRY, items=(september,)).currencies
    assert eur.items == []
    assert (eur.opening, eur.new, eur.cleared, eur.closing) == (
        Movement(1, -700),
        Movement(),
        Movement(),
        Movement(1, -700),
    )


def test_the_roll_forward() -> None:
    """Opening, what came, what went, closing. Another amount is both: the old one went, and the new one came."""
    before = datetime(2026, 9, 20, tzinfo=UTC)
    inside = datetime(2026, 10, 10, tzinfo=UTC)
    history = (
        replace(FOUND, seq=1, at=before, subject="pi_gone", difference={"eur": -1}),
        replace(FOUND, seq=2, at=before, subject="pi_other", difference={"eur": -10}),
        replace(FOUND, seq=3, at=inside, subject="pi_gone", state="closed", difference={}),
        replace(FOUND, seq=4, at=inside, subject="pi_other", difference={"eur": -100}),
        replace(FOUND, seq=5, at=inside, subject="pi_new", difference={"eur": -1000}),
        replace(FOUND, seq=6, at=inside, subject="pi_short", difference={"eur": -10_000}),
        replace(FOUND, seq=7, at=inside + timedelta(1), subject="pi_short", state="closed"),
    )
    (eur,) = made(items=history).currencies
    assert eur.opening == Movement(2, -11)
    assert eur.new == Movement(3, -11_100)
    assert eur.cleared == Movement(3, -10_011)
    assert eur.closing == Movement(2, -1100)


def test_the_largest_item_comes_first() -> None:
    """By the amount without its sign."""
    items = (
        FOUND,
        replace(FOUND, seq=51, subject="pi_2", difference={"eur": 900, "usd": 5}),
        replace(FOUND, seq=52, subject="pi_0"),
    )
    eur, usd = made(ENTRY, items=items).currencies
    assert [item.subject for item in eur.items] == ["pi_2", "pi_0", "pi_1"]
    assert (usd.currency, usd.local, usd.unexplained) == ("usd", 0, -5)


@given(
    seed=st.integers(0, 10_000),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    month=st.integers(1, 12),
)
def test_where_everything_was_found_nothing_is_unexplained(
    seed: int, zone: str, month: int
) -> None:
    """In any world, month and zone; and without any one finding exactly its difference is unexplained."""
    chance = Random(seed)
    first = date(2026, month, 1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    period = Period(first, last, ZoneInfo(zone))
    cut = period.end + timedelta(days=5)
    sweep = WindowSweep(1000, cut, 1, first, last, zone)
    days: dict[tuple[date, str], DayEntry] = {}
    records = []
    for number in range(chance.randint(0, 30)):
        seconds = (period.end - period.start).total_seconds()
        created = period.start.astimezone(UTC) + timedelta(seconds=chance.random() * seconds)
        day, currency = created.astimezone(period.zone).date(), chance.choice(["eur", "jpy", "kwd"])
        local, stripe = chance.choice([0, 0, 500, 1250]), chance.choice([0, 500, 1250])
        empty = replace(
            ENTRY,
            sweep=1,
            day=day,
            currency=currency,
            local={},
            received=(0, 0),
            refunded=0,
            disputed=0,
        )
        entry = days.get((day, currency), empty)
        count, amount = entry.local.get("succeeded", (0, 0))
        days[day, currency] = replace(
            entry,
            local={"succeeded": (count + 1, amount + local)},
            received=(entry.received[0] + 1, entry.received[1] + stripe),
        )
        if local != stripe:
            found = replace(
                FOUND,
                seq=number,
                subject=f"pi_{number}",
                difference={currency: local - stripe},
                payment_created=created,
            )
            records.append(found)

    def unexplained(findings: list[FindingRecord]) -> dict[str, int]:
        found = statement_of("default", period, cut, [sweep], days.values(), by_finding(findings))
        return {one.currency: one.unexplained for one in found.currencies if one.unexplained}

    assert unexplained(records) == {}
    for record in records:
        without = [one for one in records if one is not record]
        assert unexplained(without) == record.difference
