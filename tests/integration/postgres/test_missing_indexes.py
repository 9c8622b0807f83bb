"""A lookup that no index serves: what doctor advises works, and several pages share one scan of the table."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.merchant.table_warnings import warnings_of
from reconciler.adapters.postgres.page.store import PostgresStore
from reconciler.domain.model.payment import SqlText

VIEW = """CREATE VIEW shown AS
    SELECT p.id AS key, p.stripe_payment_intent_id AS pi, lower(p.order_id) AS named, p.*
    FROM payments p WHERE p.status <> 'draft'"""
SHAPES = {
    "an expression": {"payment_intent": SqlText("t.data->>'id'"), "order": SqlText("t.data #>> '{o,%}'")},
    "a name in quotes": {"payment_intent": "Intent", "order": SqlText("upper(t.\"Order\")")},
    "a view": {"table": "public.shown", "key": "key", "payment_intent": "pi", "order": "named"},
    "a number of a view": {"table": "public.shown", "key": "key", "payment_intent": "pi", "order": "number"},
}  # fmt: skip


@pytest.fixture
def made(shop):
    """A table with a document, names in quotes, a number, and a view of it."""
    made = shop()
    made.execute(
        'ALTER TABLE payments ADD data jsonb, ADD "Intent" text, ADD "Order" text, ADD number bigint'
    )
    made.execute(VIEW)
    made.insert(key=1, status="pending")
    return made


def scans(database: Database) -> int:
    """How often the table was read whole so far."""
    with database.connection("counting scans") as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'payments'"
        row = connection.execute(query).fetchone()
    return 0 if row is None else row[0]


def advice(made, mapping) -> list[str]:
    with Database(made.url) as database:
        warnings = warnings_of(database, inspect(database, mapping, writes=False))
    return [str(one.hint) for one in warnings if one.what.startswith("No index ")]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_advised_index_ends_the_warning(made, shape):
    """It is created as the hint says, for an expression and below a view too, and then serves the lookup."""
    made.execute("DROP INDEX IF EXISTS payments_pi, payments_order")
    mapping = replace(made.mapping, **SHAPES[shape])
    hints = [hint for hint in advice(made, mapping) if "created" not in hint]
    assert hints
    with psycopg.connect(made.url, autocommit=True) as connection:
        for hint in hints:
            assert hint.startswith("Run: CREATE INDEX CONCURRENTLY ON")
            connection.execute(hint.removeprefix("Run: ").encode())
    with Database(made.url) as database:
        table = inspect(database, mapping, writes=False).table_or_raise()
    assert (table.intent_is_indexed, table.order_is_indexed, table.scans) == (True, True, False)


@pytest.mark.parametrize(
    "text",
    [
        "(SELECT o.order_id FROM payments o WHERE o.id = t.id)",
        # the text of a time depends on the session
        "t.created_at::text",
    ],
)
def test_no_index_is_advised_that_cannot_be_created(made, text):
    """A text that reads more than its row, or that depends on the session, is named with another way."""
    mapping = replace(made.mapping, order=SqlText(text))
    assert any("column of its own" in hint for hint in advice(made, mapping))


@pytest.mark.parametrize(
    ("names_orders", "most_scans"),
    [(True, 1), (False, 2)],
    ids=["Stripe names orders", "it does not"],
)
def test_many_pages_cost_one_scan_or_two(made, bench, names_orders, most_scans):
    """Without an index the rows of 20 pages come from one scan, and the paid rows of their orders from the same or another.

    It does not matter whether the orders that Stripe names are those of the rows: each page has what it has alone.
    """
    mapping = replace(made.mapping, payment_intent=SqlText("t.data->>'id'"), order="order_id")
    made.execute(
        """INSERT INTO payments (id, status, amount, currency, created_at, order_id, data)
           SELECT n, CASE WHEN n % 2 = 0 THEN 'paid' ELSE 'pending' END, 1250, 'eur', now(), 'o' || n / 2,
               jsonb_build_object('id', 'pi_' || n)
           FROM generate_series(10, 3000) AS n"""
    )
    table = bench(replace(made, mapping=mapping), writes=False)
    pages = [
        {f"pi_{number}": f"o{number // 2}" if names_orders else None for number in range(first, first + 100)}
        for first in range(100, 2100, 100)
    ]  # fmt: skip
    assert table.store.pages_at_once >= len(pages)
    before = scans(table.database)
    together = table.store.load_pages(pages)
    # another one looks for no intent and ends at once
    assert scans(table.database) - before <= most_scans + (0 if names_orders else 1)

    indexed = replace(table.store.table, intent_is_indexed=True, order_is_indexed=True)
    alone = PostgresStore(table.database, indexed, "default")
    for page, loaded in zip(pages, together, strict=True):
        one = alone.load([*page])
        assert loaded.payments == one.payments
        assert sorted(row.key for row in loaded.paid) == sorted(row.key for row in one.paid)


def test_one_scan_finds_what_three_lookups_find(made, bench):
    """Rows by intent, rows without one and paid rows by order: at most 100 of an order, and each row where it belongs."""
    made.execute(
        """INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, order_id)
           SELECT n, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN 'pi_' || n ELSE '' END,
               CASE WHEN n % 2 = 0 THEN 'paid' ELSE 'pending' END, 1250, 'eur', now(),
               CASE WHEN n < 900 THEN 'shared' WHEN n < 950 THEN 'o' || n END
           FROM generate_series(10, 1000) AS n"""
    )
    mapping = replace(made.mapping, order="order_id")
    table = bench(replace(made, mapping=mapping), writes=False)
    indexed = replace(table.store.table, intent_is_indexed=True, order_is_indexed=True)
    unindexed = replace(indexed, intent_is_indexed=False, order_is_indexed=False)
    intents = [f"pi_{number}" for number in (10, 16, 901, 904, 951, 990)]
    for orders in ([], ["shared"], ["o902", "o903", "shared", "none"], ["o904"]):
        found, expected = (
            PostgresStore(table.database, one, "default").load(intents, orders)
            for one in (unindexed, indexed)
        )
        assert found.payments == expected.payments
        for part in ("claimable", "paid"):
            rows, others = (
                sorted(getattr(loaded, part), key=lambda row: row.key) for loaded in (found, expected)
            )  # fmt: skip
            assert rows == others, (orders, part)
