"""Parts of the mapping that are SQL texts: rows are found, read and locked by them, and a wrong text is a fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.payment import SqlText, StatusMap
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from tests.some_quick import some_quick


@pytest.fixture
def documents(shop):
    """Two rows that hold intent, amount, time and order in a document, and the currency in another table."""
    made = shop()
    made.execute("CREATE TABLE monies (id int PRIMARY KEY, code text)")
    made.execute("INSERT INTO monies VALUES (1, 'EUR'), (2, 'USD')")
    made.execute("ALTER TABLE payments ADD data jsonb, ADD money int, ADD name text")
    for n in (1, 2):
        made.insert(key=n, status="pending")
    made.execute(
        """UPDATE payments SET money = id, data = jsonb_build_object(
               'id', 'pi_' || id, 'total', 100 * id + 0.5, 'at', '2026-11-0' || id || 'T10:00:00Z', 'order', 'A%' || id)"""
    )
    return made


TEXTS = {
    "payment_intent": "t.data->>'id'",
    "amount": "(t.data->>'total')::numeric",
    "currency": "(SELECT m.code FROM monies m WHERE m.id = t.money)",
    "created": "to_timestamp(extract(epoch FROM (t.data->>'at')::timestamp))",
    "order": "t.data->>'order'",
    "status": "CASE WHEN t.status LIKE 'pend%' THEN 'pending' ELSE t.status END",
}


def with_texts(shop, **texts: str):
    mapping = replace(shop.mapping, **{part: SqlText(text) for part, text in texts.items()})
    return replace(shop, mapping=mapping)


def test_rows_are_found_and_read_by_sql_texts(documents, bench):
    """Every lookup and listing takes the text in the place of the column."""
    made = with_texts(documents, **TEXTS)
    made = replace(made, mapping=replace(made.mapping, amount_unit="major"))
    store = bench(made, writes=False).store
    (one,) = store.load(["pi_1"], ["A%1"]).payments
    assert (one.key, one.payment_intent, one.status, one.order) == ("1", "pi_1", "pending", "A%1")
    assert (one.amount, one.currency, one.stored_currency) == (10050, "eur", "EUR")
    assert one.created is not None
    assert one.created.isoformat() == "2026-11-01T10:00:00+00:00"
    assert [row.key for row in store.rows_of_orders(["A%2"])] == ["2"]
    assert [row.key for row in store.holders(["pi_2"])] == ["2"]
    assert [row.key for row in store.open_payments(TimeRange(one.created, None), None, 9)] == [
        "1",
        "2",
    ]
    assert store.count_open(TimeRange(None, one.created)) == 0
    assert [row.payment_intent for row in store.newest_payments(1)] == ["pi_2"]


def test_a_row_with_sql_texts_is_written_only_while_it_is_as_it_was_compared(
    documents, bench, make_correction
):
    """The UPDATE compares what the texts give, also where another table has the value."""
    texts = {part: text for part, text in TEXTS.items() if part != "status"}
    table = bench(with_texts(documents, **texts))
    compared = table.store.load(["pi_1", "pi_2"]).payments
    documents.execute("UPDATE monies SET code = 'GBP' WHERE id = 2")
    with table.store.transaction(table.epoch) as page:
        rows = page.read_again(["pi_1"], [], lock=True).payments
        assert page.write(PageRecord(writes=(make_correction(rows[0]),))).refused == {}
    with pytest.raises(Exception, match="moved"):
        table.write(PageRecord(writes=(make_correction(compared[1]),)))
    assert [documents.rows()[key]["status"] for key in "12"] == ["paid", "pending"]


WRONG = [
    ("amount", "t.amuont", "amuont"),
    ("amount", "amount", "ambiguous"),
    ("currency", "(SELECT code FROM monies WHERE id = money)", "ambiguous"),
    ("currency", "(SELECT m.code FROM monies m)", "CardinalityViolation"),
    ("currency", "(SELECT code FROM secret_monies)", "permission denied"),
    ("amount", "(t.data->>'id')::int", "InvalidTextRepresentation"),
    ("amount", "count(*)", "aggregate"),
    ("amount", "generate_series(1, 2)", "FeatureNotSupported"),
    ("amount", "nextval('s')", "nextval()"),
    ("amount", "public.charged(t.id)", "charged()"),
    ("order", "t.data", "jsonb; it has to be text, integer or uuid"),
    ("created", "t.data->>'at'", "it has to be a timestamp"),
    ("payment_intent", "t.id", "bigint; it has to be text"),
]


@some_quick(("part", "text", "said"), WRONG, quick=5)
def test_a_text_that_cannot_stand_for_a_column_is_a_fault(documents, role, part, text, said):
    """The fault names the key, the text and the reason, and no value of a row."""
    documents.execute("CREATE SEQUENCE s")
    documents.execute(
        "CREATE FUNCTION charged(bigint) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT $1'"
    )
    documents.execute("CREATE TABLE secret_monies AS SELECT * FROM monies")
    reader, as_reader = role("reader")
    documents.execute(
        f"GRANT SELECT ON payments, monies TO {reader}; GRANT USAGE ON SEQUENCE s TO {reader}"
    )
    url = as_reader(documents.url)
    mapping = with_texts(documents, **{part: text}).mapping
    with Database(url) as database:
        (fault,) = inspect(database, mapping, writes=False).faults
    assert f"[payments] {part}" in fault.what
    assert text in fault.what
    assert said in fault.what
    assert "pi_1" not in str(fault)


def test_every_wrong_text_is_named_at_once(documents):
    """A person does not start the program again for each of them."""
    mapping = with_texts(documents, amount="t.amuont", currency="nextval('x')", order="t").mapping
    with Database(documents.url) as database:
        faults = inspect(database, mapping, writes=False).faults
    assert [fault.what.split(":")[0] for fault in faults] == [
        "[payments] amount",
        "[payments] currency",
        "[payments] order",
    ]


def _words(pending: str, paid: str) -> StatusMap:
    read = {pending: Outcome.INCOMPLETE, paid: Outcome.SUCCEEDED}
    return StatusMap(read=read, write={Outcome.SUCCEEDED: paid})


@pytest.mark.parametrize(
    ("kind", "words"), [("boolean", ("false", "true")), ("smallint", ("0", "7"))]
)
def test_a_status_may_be_a_boolean_or_an_integer(shop, bench, make_correction, kind, words):
    """Its words are written as PostgreSQL prints the values."""
    made = shop(columns={"status": ("state", kind)}, statuses=_words(*words))
    made.insert(key=1, payment_intent="pi_1", status=words[0])
    table = bench(made)
    assert table.store.count_open(TimeRange()) == 1
    with table.store.transaction(table.epoch) as page:
        (row,) = page.read_again(["pi_1"], [], lock=True).payments
        record = PageRecord(writes=(make_correction(row, to=words[1]),))
        assert page.write(record).refused == {}
    assert made.rows()["1"]["status"] == words[1]
