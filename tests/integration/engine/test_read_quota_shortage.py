"""Sweeps for which the 30-day read quota does not suffice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from psycopg import sql

from reconciler.domain.read_limits_and_shortage import Source
from reconciler.engine.limits.read_quota import ReadQuota
from reconciler.engine.report import SweepKind, Writing
from reconciler.engine.sweep_context import SERVICE
from tests.integration.engine.sweeps import SweepRunner
from tests.unit.engine.doubles import NOW, an_intent

TAIL_INTERVAL = timedelta(days=10)
"""With so long an interval the tail needs almost no reads, so that the other sources have them."""


def sell(
    sweeps: SweepRunner, first: int, count: int, since: datetime, step: timedelta, status: str
) -> None:
    """Insert so many rows, one each ``step`` from ``since`` on, and let Stripe have their succeeded intents."""
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
    sweeps.quota = ReadQuota(allowed, 1.0, TAIL_INTERVAL)
    return sweeps.quota


@pytest.fixture
def mixed(sweeps: SweepRunner) -> SweepRunner:
    """200 open payments in one hour a week ago, and 40 more, each among a hundred settled ones a day."""
    sell(sweeps, 0, 200, NOW - timedelta(days=7), timedelta(seconds=15), "pending")
    for day in range(40):
        since = NOW - timedelta(days=60 - day)
        sell(sweeps, 1000 * (day + 1), 150, since, timedelta(minutes=9), "paid")
        sell(
            sweeps, 1000 * (day + 1) + 500, 1, since + timedelta(hours=12), TAIL_INTERVAL, "pending"
        )
    return sweeps


@pytest.mark.parametrize(("asked_by", "allowed"), [("ops@host", 20), (SERVICE, 180)])
def test_due_reads_what_is_worth_most_and_names_the_rest(
    mixed: SweepRunner, asked_by: str, allowed: int
) -> None:
    """It reads the dense list first, then the newest single payments. It is not complete, and names what it left out."""
    # the service may spend a tenth of them at once, and plans from the rows that a search found
    with_reads(mixed, allowed)
    mixed.search_clock = mixed.clock
    report = mixed.run(SweepKind.DUE, Writing.ROWS, asked_by)
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
    booked = mixed.query(
        "SELECT source, sum(count)::int AS reads FROM reconciler.reads GROUP BY source"
    )
    assert booked == [{"source": "due", "reads": mixed.stripe.reads}]


def test_without_reads_nothing_is_tried(mixed: SweepRunner) -> None:
    """If no read is left, no read is tried. Everything is named in the report, and the sweep is not complete."""
    quota = with_reads(mixed, 20)
    for _ in range(20):
        quota.take(Source.PERSON, None)  # type: ignore[arg-type]
    report = mixed.run(SweepKind.DUE, Writing.ROWS)
    assert (report.complete, report.examined, report.unexamined_count) == (False, 0, 240)
    assert (mixed.stripe.reads, mixed.stripe.asked, report.stopped) == (0, [], None)


def test_a_window_lists_its_newest_part(sweeps: SweepRunner) -> None:
    """The older part is named in the report, the sweep is not complete, and the ledger gets no totals of a day."""
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
    assert "PaymentIntents created from 2026-02-02 12:00:00" in missed.what[0]
    entries = sweeps.query("SELECT DISTINCT action FROM reconciler.ledger")
    assert {"action": "day_totals"} not in entries
    found = sweeps.query("SELECT payment_intent AS name FROM reconciler.discrepancies")
    assert {row["name"] for row in found} == {f"pi_{n}" for n in range(1400 - len(found), 1400)}


def test_a_window_leaves_the_reads_of_the_other_sources(mixed: SweepRunner) -> None:
    """In one sweep of all sources the window keeps to its part of the quota, and due still has its own part."""
    with_reads(mixed, 40)
    report = mixed.run(SweepKind.ALL, Writing.ROWS, since=timedelta(days=90))
    assert not report.complete
    spent = {
        str(row["source"]): int(str(row["reads"]))
        for row in mixed.query(
            "SELECT source, sum(count) AS reads FROM reconciler.reads GROUP BY source"
        )
    }
    assert spent["due"] >= 10
    assert sum(spent.values()) <= 40


def test_the_service_uses_no_more_than_the_part_of_a_day(mixed: SweepRunner) -> None:
    """Its sweeps leave nine tenths of the quota for the days to come."""
    with_reads(mixed, 100)
    report = mixed.run(SweepKind.DUE, Writing.ROWS, SERVICE)
    assert not report.complete
    assert 2 <= mixed.stripe.reads <= 10
    again = mixed.stripe.reads
    mixed.run(SweepKind.DUE, Writing.ROWS, SERVICE)
    assert mixed.stripe.reads <= max(again, 10)


def test_the_tail_begins_anew_after_a_long_outage(sweeps: SweepRunner) -> None:
    """Its cursor is too old, and the reads suffice only for a part of the window: the sweep is not complete, the cursor moves."""
    sell(sweeps, 0, 1400, NOW - timedelta(days=20), timedelta(minutes=20), "pending")
    with_reads(sweeps, 60)
    long_ago = (NOW - timedelta(days=29)).isoformat()
    sweeps.shop.execute(
        sql.SQL(
            "INSERT INTO reconciler.cursors (account, name, handled_until) VALUES ('default', 'tail', {})"
        ).format(sql.Literal(long_ago))
    )
    assert not sweeps.run(SweepKind.TAIL, Writing.FINDINGS, SERVICE).complete
    (cursor,) = sweeps.query("SELECT handled_until FROM reconciler.cursors WHERE name = 'tail'")
    assert cursor["handled_until"] == NOW - sweeps.rules.grace


def test_due_reads_what_the_window_left_out(sweeps: SweepRunner) -> None:
    """In a person's sweep of all sources, due has reads of its own, and reads the rows that the window had no reads for."""
    sell(sweeps, 0, 300, NOW - timedelta(days=5), timedelta(minutes=20), "pending")
    for ident in list(sweeps.stripe.intents):
        # created long before their rows, so that the list of the range shows none of them and each row is retrieved
        sweeps.stripe.intents[ident] = an_intent(ident, created=NOW - timedelta(days=200))
    with_reads(sweeps, 200)
    sweeps.run(SweepKind.ALL, Writing.FINDINGS, since=timedelta(days=30))
    spent = {
        str(row["source"]): int(str(row["reads"]))
        for row in sweeps.query(
            "SELECT source, sum(count) AS reads FROM reconciler.reads GROUP BY source"
        )
    }
    assert spent["due"] >= 50
