"""SweepRunner that the reads of 30 days do not pay for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from psycopg import sql
from reconciler.engine.actor import SERVICE

from reconciler.domain.read_limits_and_shortage import Source
from reconciler.engine.limits.read_quota import ReadQuota
from reconciler.engine.report import SweepKind, Writing
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

EVERY = timedelta(days=10)
"""A tail that needs next to nothing, so that the reads are those of the net in question."""


def sell(
    sweeps: SweepRunner, first: int, count: int, since: datetime, step: timedelta, status: str
) -> None:
    """So many payments one after the other, with their intents, all of them paid at Stripe."""
    shop = sweeps.shop
    names = ("key", "payment_intent", "status", "amount", "currency", "created")
    shop.execute(
        sql.SQL(
            "INSERT INTO {} ({}) SELECT {} + n, 'pi_' || ({} + n), {}, 1000, 'eur',"
            " {}::timestamptz + n * {}::interval FROM generate_series(0, {}) AS n"
        ).format(
            shop.table,
            sql.SQL(", ").join(sql.Identifier(shop.names[name]) for name in names),
            sql.Literal(first),
            sql.Literal(first),
            sql.Literal(status),
            sql.Literal(since.isoformat()),
            sql.Literal(step),
            sql.Literal(count - 1),
        )
    )
    for number in range(count):
        ident = f"pi_{first + number}"
        sweeps.stripe.intents[ident] = an_intent(ident, created=since + number * step)


def with_reads(sweeps: SweepRunner, allowed: int) -> ReadQuota:
    sweeps.quota = ReadQuota(allowed, 1.0, EVERY)
    return sweeps.quota


@pytest.fixture
def mixed(sweeps: SweepRunner) -> SweepRunner:
    """200 open payments in one hour a week ago, and 40 more, each among a hundred settled ones a day."""
    sell(sweeps, 0, 200, NOW - timedelta(days=7), timedelta(seconds=15), "pending")
    for day in range(40):
        since = NOW - timedelta(days=60 - day)
        sell(sweeps, 1000 * (day + 1), 150, since, timedelta(minutes=9), "paid")
        sell(sweeps, 1000 * (day + 1) + 500, 1, since + timedelta(hours=12), EVERY, "pending")
    return sweeps


def test_due_asks_the_worthiest_and_names_the_rest(mixed: SweepRunner) -> None:
    """The dense list first, then the newest single payments; the sweep is not complete and says what it left out."""
    with_reads(mixed, 20)
    report = mixed.run(SweepKind.DUE, Writing.ROWS)
    assert not report.complete
    assert mixed.stripe.reads <= 20
    assert report.examined + report.unexamined_count == 240
    paid = {key for key, row in mixed.statuses().items() if row == "paid"}
    corrected = {int(key) for key in paid if int(key) < 200 or int(key) % 1000 == 500}
    assert corrected >= set(range(200))
    single = sorted(number for number in corrected if number >= 1000)
    assert single == [1000 * day + 500 for day in range(41 - len(single), 41)]
    assert 8 <= len(single) <= 14
    assert len(mixed.stripe.asked) <= len(single)
    assert all("open payments created from 20" in missed for missed in report.missed[0].what)
    booked = mixed.table(
        "SELECT source, sum(count)::int AS reads FROM reconciler.reads GROUP BY source"
    )
    assert booked == [{"source": "due", "reads": mixed.stripe.reads}]


def test_no_attempt_is_made_without_reads(mixed: SweepRunner) -> None:
    """Nothing is left: not one attempt fails, all is named, and the sweep is not complete."""
    quota = with_reads(mixed, 20)
    for _ in range(20):
        quota.take(Source.PERSON, None)  # type: ignore[arg-type]
    report = mixed.run(SweepKind.DUE, Writing.ROWS)
    assert (report.complete, report.examined, report.unexamined_count) == (False, 0, 240)
    assert (mixed.stripe.reads, mixed.stripe.asked, report.stopped) == (0, [], None)


def test_a_window_lists_its_newest_part(sweeps: SweepRunner) -> None:
    """What its pages do not fit is named, the sweep is not complete, and no day's totals are written."""
    sell(sweeps, 0, 1400, NOW - timedelta(days=20), timedelta(minutes=20), "pending")
    with_reads(sweeps, 40)
    report = sweeps.run(SweepKind.WINDOW, Writing.FINDINGS)
    assert not report.complete
    assert report.stopped is None
    assert sweeps.stripe.reads <= 14
    assert sweeps.stripe.asked == []
    assert 300 <= report.examined < 1400
    assert report.examined + report.unexamined_count == 1400
    (missed,) = report.missed
    assert "intents created from 2026-02-02 12:00:00" in missed.what[0]
    entries = sweeps.table("SELECT DISTINCT action FROM reconciler.ledger")
    assert {"action": "day_totals"} not in entries
    found = sweeps.table("SELECT payment_intent AS name FROM reconciler.discrepancies")
    assert {row["name"] for row in found} == {f"pi_{n}" for n in range(1400 - len(found), 1400)}


def test_a_window_does_not_take_what_the_others_need(mixed: SweepRunner) -> None:
    """In one sweep of all nets the window keeps to its part, and due still has its own."""
    with_reads(mixed, 40)
    report = mixed.run(SweepKind.ALL, Writing.ROWS, since=timedelta(days=90))
    assert not report.complete
    spent = {
        str(row["source"]): int(str(row["reads"]))
        for row in mixed.table(
            "SELECT source, sum(count) AS reads FROM reconciler.reads GROUP BY source"
        )
    }
    assert spent["due"] >= 10
    assert sum(spent.values()) <= 40


def test_the_service_takes_no_more_than_a_days_part(mixed: SweepRunner) -> None:
    """A sweep of the service leaves nine tenths for the days to come."""
    with_reads(mixed, 100)
    report = mixed.run(SweepKind.DUE, Writing.ROWS, SERVICE)
    assert not report.complete
    assert 2 <= mixed.stripe.reads <= 10
    again = mixed.stripe.reads
    mixed.run(SweepKind.DUE, Writing.ROWS, SERVICE)
    assert mixed.stripe.reads <= max(again, 10)


def test_the_tail_begins_anew_after_a_long_outage(sweeps: SweepRunner) -> None:
    """Its cursor is too old and the window's reads pay for a part alone: the report says so, and the tail reads on."""
    sell(sweeps, 0, 1400, NOW - timedelta(days=20), timedelta(minutes=20), "pending")
    with_reads(sweeps, 60)
    long_ago = (NOW - timedelta(days=29)).isoformat()
    sweeps.shop.execute(
        sql.SQL(
            "INSERT INTO reconciler.cursors (account, name, handled_until) VALUES ('default', 'tail', {})"
        ).format(sql.Literal(long_ago))
    )
    assert not sweeps.run(SweepKind.TAIL, Writing.FINDINGS, SERVICE).complete
    (cursor,) = sweeps.table("SELECT handled_until FROM reconciler.cursors WHERE name = 'tail'")
    assert cursor["handled_until"] == NOW - sweeps.rules.grace


def test_due_asks_what_the_window_left_out(sweeps: SweepRunner) -> None:
    """In a person's sweep of all nets due has reads of its own: what the window could not pay for is not taken for met."""
    sell(sweeps, 0, 300, NOW - timedelta(days=5), timedelta(minutes=20), "pending")
    for ident in list(sweeps.stripe.intents):
        # made long before their rows: the list of the range shows none of them, and each row is asked for
        sweeps.stripe.intents[ident] = an_intent(ident, created=NOW - timedelta(days=200))
    with_reads(sweeps, 200)
    sweeps.run(SweepKind.ALL, Writing.FINDINGS, since=timedelta(days=30))
    spent = {
        str(row["source"]): int(str(row["reads"]))
        for row in sweeps.table(
            "SELECT source, sum(count) AS reads FROM reconciler.reads GROUP BY source"
        )
    }
    assert spent["due"] >= 50
