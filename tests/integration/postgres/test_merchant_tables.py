"""Tables of many shapes: each is inspected, read, corrected and read again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.payment import AccountRows, RowReference, StatusMap
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome

UUIDS = [f"0b0f7e5c-1111-4222-8333-00000000000{n}" for n in range(1, 4)]
CREATED = datetime(2026, 11, 1, 10, 0, tzinfo=UTC)
ENUM = "CREATE TYPE \"Shop\".\"PaymentState\" AS ENUM ('Pending', 'Paid', 'Off')"
ENUM_STATUSES = StatusMap(
    read={"Pending": Outcome.INCOMPLETE, "Paid": Outcome.SUCCEEDED, "Off": Outcome.CANCELED},
    write={Outcome.SUCCEEDED: "Paid", Outcome.CANCELED: "Off"},
)
NUMBER_STATUSES = StatusMap(
    read={"0": Outcome.INCOMPLETE, "1": Outcome.SUCCEEDED}, write={Outcome.SUCCEEDED: "1"}
)

# name of a shape: (arguments of shop(), the keys)
SHAPES = {
    "plain": ({}, ["1", "2", "3"]),
    "uuid key": ({"columns": {"key": ("id", "uuid PRIMARY KEY")}}, UUIDS),
    "integer key": ({"columns": {"key": ("id", "integer PRIMARY KEY")}}, ["1", "2", "10"]),
    "text key": ({"columns": {"key": ("id", "text PRIMARY KEY")}}, ["ord/1", "ord'2", 'ord"3']),
    "varchar key": ({"columns": {"key": ("id", "varchar(20) PRIMARY KEY")}}, ["a", "b", "c"]),
    "padded key": ({"columns": {"key": ("id", "char(10) PRIMARY KEY")}}, ["a", "b", "c"]),
    "numeric key": ({"columns": {"key": ("id", "numeric(20,0) PRIMARY KEY")}}, ["1", "2", "10"]),
    "the intent is the key": (
        {"columns": {"key": ("pi", "text PRIMARY KEY"), "payment_intent": None}, "payment_intent": "pi"},
        ["pi_1", "pi_2", "pi_3"],
    ),
    "varchar everywhere": (
        {
            "columns": {
                "payment_intent": ("pi", "varchar(255)"),
                "status": ("state", "varchar(16)"),
                "currency": ("cur", "varchar(3)"),
                "order": ("order_id", "varchar(40)"),
            }
        },
        ["1", "2", "3"],
    ),
    "padded everywhere": (
        {
            "columns": {
                "payment_intent": ("pi", "char(40)"),
                "status": ("state", "char(12)"),
                "currency": ("cur", "char(3)"),
                "order": ("order_id", "char(40)"),
            }
        },
        ["1", "2", "3"],
    ),
    "enum, mixed case, reserved words, another schema": (
        {
            "table": "Shop.Order",
            "before": ('CREATE SCHEMA "Shop"', ENUM),
            "columns": {
                "key": ("user", "bigint PRIMARY KEY"),
                "payment_intent": ("paymentIntent", "text"),
                "status": ("select", '"Shop"."PaymentState"'),
                "amount": ("Amount", "integer"),
                "currency": ("from", "text"),
                "created": ("createdAt", "timestamptz"),
                "updated": ("updatedAt", "timestamptz"),
                "order": ("group", "text"),
            },
            "statuses": ENUM_STATUSES,
        },
        ["1", "2", "3"],
    ),
    "names with quotes and dots": (
        {
            "before": ('CREATE SCHEMA "qu""ote"',),
            "table": 'qu"ote.pay"ments',
            "columns": {"status": ('st"at.us', "text"), "key": ("the id", "bigint PRIMARY KEY")},
        },
        ["1", "2", "3"],
    ),
    "integer statuses": (
        {"columns": {"status": ("status", "smallint")}, "statuses": NUMBER_STATUSES},
        ["1", "2", "3"],
    ),
    "domains": (
        {
            "before": (
                "CREATE DOMAIN intent_id AS varchar(255) CHECK (VALUE LIKE 'pi_%')",
                "CREATE DOMAIN state AS text CHECK (VALUE <> '')",
                "CREATE DOMAIN deep_state AS state",
            ),
            "columns": {"payment_intent": ("pi", "intent_id"), "status": ("status", "deep_state")},
        },
        ["1", "2", "3"],
    ),
    "major units": (
        {"columns": {"amount": ("total", "numeric(12,2)")}, "amount_unit": "major"},
        ["1", "2", "3"],
    ),
    "minor units as numeric": ({"columns": {"amount": ("total", "numeric(12,2)")}}, ["1", "2", "3"]),
    "constant currency": (
        {"columns": {"currency": None}, "currency_constant": "EUR"},
        ["1", "2", "3"],
    ),
    "time without a zone": (
        {"columns": {"created": ("created", "timestamp"), "updated": ("updated", "timestamp(0)")}},
        ["1", "2", "3"],
    ),
    "dates": (
        {"columns": {"created": ("created", "date"), "updated": ("updated", "date")}},
        ["1", "2", "3"],
    ),
    "epoch seconds": (
        {
            "columns": {"created": ("created", "integer"), "updated": ("updated", "integer")},
            "created_unit": "s",
        },
        ["1", "2", "3"],
    ),
    "epoch milliseconds": (
        {
            "columns": {"created": ("created", "bigint"), "updated": ("updated", "numeric")},
            "created_unit": "ms",
        },
        ["1", "2", "3"],
    ),
    "epoch as numeric": (
        {"columns": {"created": ("created", "numeric(20,6)")}, "created_unit": "s"},
        ["1", "2", "3"],
    ),
    "nothing optional": ({"columns": {"updated": None, "order": None}}, ["1", "2", "3"]),
    "integer order": ({"columns": {"order": ("order_id", "bigint")}}, ["1", "2", "3"]),
    "account column": (
        {"columns": {"account": ("acct", "varchar(20)")}, "insert": {"account": "default"}},
        ["1", "2", "3"],
    ),
}  # fmt: skip


def created_value(shop) -> object:
    kind = {"s": CREATED.timestamp(), "ms": CREATED.timestamp() * 1000}
    if shop.mapping.created_unit:
        return int(kind[shop.mapping.created_unit])
    return "2026-11-01 10:00:00" if shop.names["created"] == "created" else CREATED


@pytest.fixture(params=SHAPES)
def stocked(request, shop):
    """A shop of each shape with three pending payments, its keys, and its status for each outcome."""
    shape, keys = SHAPES[request.param]
    shape = dict(shape)
    extra = shape.pop("insert", {})
    made = shop(**shape)
    words = {outcome: value for value, outcome in made.mapping.statuses.read.items()}
    for n, key in enumerate(keys, start=1):
        row = {"key": key, "status": words[Outcome.INCOMPLETE], "created": created_value(made)}
        if "payment_intent" in made.names:
            row["payment_intent"] = f"pi_{n}"
        if "order" in made.names:
            row["order"] = 70 + n
        if made.mapping.amount_unit == "major":
            row["amount"] = "12.50"
        made.insert(**row, **extra)
    return made, keys, words


def test_a_correction_in_each_shape(stocked, bench, make_correction, seen):
    """Every shape fits its mapping, reads as the same payments, is corrected and stamped, and reads back as corrected."""
    made, keys, words = stocked
    table = bench(made)
    store = table.store
    loaded = store.load(["pi_1", "pi_2", "pi_3", "pi_9"])
    by_intent = {payment.payment_intent: payment for payment in loaded.payments}
    assert sorted(by_intent) == ["pi_1", "pi_2", "pi_3"]
    payment = by_intent["pi_2"]
    assert (payment.key, payment.outcome) == (keys[1], Outcome.INCOMPLETE)
    assert (payment.amount, payment.currency) == (1250, "eur")
    assert payment.created in (CREATED, CREATED.replace(hour=0))  # a date is its midnight

    with store.transaction(table.epoch) as page:
        again = page.read_again(["pi_2"], [], lock=True)
        write = make_correction(again.payments[0], words[Outcome.SUCCEEDED])
        page.write(PageRecord(writes=(write,), seen_at=seen))

    after = {payment.key: payment for payment in store.load(["pi_1", "pi_2", "pi_3"]).payments}
    assert [after[key].outcome for key in keys] == [
        Outcome.INCOMPLETE, Outcome.SUCCEEDED, Outcome.INCOMPLETE,
    ]  # fmt: skip
    stamps = {row.get("updated") for row in made.rows().values()}
    if made.mapping.updated:
        assert stamps - {None} != set()
        assert None in stamps  # only the corrected row is stamped


def test_references_of_each_shape(stocked, bench):
    """Open payments and payments of a range are listed by key, page by page, with and without bounds."""
    made, keys, _ = stocked
    store = bench(made).store
    day = TimeRange(CREATED.replace(hour=0), CREATED.replace(hour=0) + timedelta(days=1))
    before = TimeRange(until=CREATED.replace(hour=0))
    after = TimeRange(since=CREATED + timedelta(days=1))
    for list_them, count in (
        (store.open_payments, store.count_open),
        (store.payments_between, store.count_between),
    ):
        for created in (TimeRange(), day, TimeRange(since=day.since), TimeRange(until=day.until)):
            first = list_them(created, None, 2)
            rest = list_them(created, first[-1].key, 2)
            assert {ref.key for ref in (*first, *rest)} == set(keys)
            assert (len(first), len(rest), count(created)) == (2, 1, 3)
        for none in (before, after):
            assert (list_them(none, None, 9), count(none)) == ((), 0)
    assert len(store.newest_payments(2)) == 2


@pytest.mark.parametrize(
    ("kind", "unit", "value"),
    [
        ("timestamptz", None, "2026-11-01T10:00:00.5Z"),
        ("timestamp", None, "2026-11-01 10:00:00.5"),
        ("numeric", "s", Decimal("1793527200.5")),
        ("bigint", "ms", 1793527200500),
        ("double precision", "s", 1793527200.5),
    ],
)
def test_the_edges_of_a_range_are_exact(shop, bench, kind, unit, value):
    """since is in the range and until is not, to the microsecond, for every type of column."""
    made = shop(columns={"created": ("created", kind)}, created_unit=unit)
    made.insert(key=1, payment_intent="pi_1", status="pending", created=value)
    store = bench(made).store
    at = datetime(2026, 11, 1, 10, 0, 0, 500_000, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    assert store.load(["pi_1"]).payments[0].created == at
    assert store.count_open(TimeRange(at, at + tick)) == 1
    assert store.count_open(TimeRange(at + tick, None)) == 0
    assert store.count_open(TimeRange(None, at)) == 0


def test_a_date_is_its_midnight_in_utc(shop, bench):
    """A row of a day is in a range that holds that day's midnight in UTC, in a session of any time zone."""
    made = shop(columns={"created": ("created", "date")})
    made.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO %L', current_database(), 'Asia/Tokyo'); END $$"
    )
    made.insert(key=1, payment_intent="pi_1", status="pending", created=date(2026, 11, 1))
    store = bench(made).store
    midnight = datetime(2026, 11, 1, tzinfo=UTC)
    assert store.load(["pi_1"]).payments[0].created == midnight
    assert store.count_open(TimeRange(midnight, midnight + timedelta(seconds=1))) == 1
    assert store.count_open(TimeRange(midnight + timedelta(seconds=1), None)) == 0
    assert store.count_open(TimeRange(None, midnight)) == 0


def test_a_time_without_a_zone_is_utc(shop, bench, make_correction):
    """A timestamp without a zone is read and written as UTC, in a session of any zone and date style."""
    made = shop(columns={"created": ("created", "timestamp"), "updated": ("updated", "timestamp")})
    for setting in ("timezone TO 'America/New_York'", "datestyle TO 'German'"):
        made.execute(
            f"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting.replace(chr(39), chr(39) * 2)}', current_database()); END $$"
        )
    made.insert(key=1, payment_intent="pi_1", status="pending", created="2026-11-01 10:00:00")
    table = bench(made)
    with table.store.transaction(table.epoch) as page:
        payment = page.read_again(["pi_1"], [], lock=True).payments[0]
        page.write(PageRecord(writes=(make_correction(payment),)))
    assert payment.created == CREATED
    [(late,)] = table.all(
        "SELECT abs(extract(epoch FROM now() AT TIME ZONE 'UTC' - updated)) FROM payments"
    )
    assert late < 600


@pytest.mark.parametrize("when", ["infinity", "-infinity", "20000-01-01", None])
def test_a_time_that_python_cannot_hold_is_unknown(shop, bench, when):
    """The page of a row created at infinity is read; the row's time is unknown."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending", created=when)
    made.insert(key=2, payment_intent="pi_2", status="pending")
    store = bench(made).store
    assert [payment.created for payment in store.load(["pi_1", "pi_2"]).payments] == [None, CREATED]
    assert store.count_open(TimeRange()) == 2  # it is in no range, but in the whole


@pytest.mark.parametrize(
    ("kind", "stored", "unit", "minor"),
    [
        ("numeric", "12.50", "major", 1250),
        ("numeric", "12.505", "major", None),
        ("numeric(10,4)", "12.5000", "major", 1250),
        ("numeric", "NaN", "major", None),
        ("numeric", "1250.00", "minor", 1250),
        ("numeric", "1250.5", "minor", None),
        ("integer", "12", "major", 1200),
        ("bigint", "9223372036854775807", "minor", 9223372036854775807),
        ("numeric", "9223372036854775808", "minor", None),
        ("bigint", "-5", "minor", -5),
        ("bigint", None, "minor", None),
    ],
)
def test_an_amount_is_exact_or_unknown(shop, bench, kind, stored, unit, minor):
    """Amounts go through no float and are never rounded; what is not a whole number of minor units is unknown."""
    made = shop(columns={"amount": ("amount", kind)}, amount_unit=unit)
    made.insert(key=1, payment_intent="pi_1", status="pending", amount=stored)
    assert bench(made).store.load(["pi_1"]).payments[0].amount == minor


def test_a_zero_decimal_currency_in_major_units(shop, bench):
    """1250 yen are 1250 minor units; a major amount without a currency is unknown."""
    made = shop(columns={"amount": ("amount", "numeric")}, amount_unit="major")
    made.insert(key=1, payment_intent="pi_1", status="pending", amount=1250, currency=" JPY ")
    made.insert(key=2, payment_intent="pi_2", status="pending", amount=1250, currency=None)
    first, second = bench(made).store.load(["pi_1", "pi_2"]).payments
    assert (first.amount, first.currency) == (1250, "jpy")
    assert (second.amount, second.currency) == (None, None)


def test_rows_without_an_intent(shop, bench, make_correction):
    """Null and the empty string are no intent: such rows are found by order, linked, and never listed."""
    made = shop(columns={"payment_intent": ("pi", "varchar(255) DEFAULT ''")})
    made.insert(key=1, status="pending", order="A")
    made.insert(key=2, payment_intent=None, status="pending", order="A")
    made.insert(key=3, payment_intent="pi_3", status="pending", order="A")
    table = bench(made, links=True)
    store = table.store
    loaded = store.load(["pi_new"], ["A", "B"])
    assert [(row.key, row.payment_intent) for row in loaded.claimable] == [("1", None), ("2", None)]
    assert store.open_payments(TimeRange(), None, 9) == (RowReference("3", "pi_3"),)
    with store.transaction(table.epoch) as page:
        again = page.read_again(["pi_new"], ["1", "2"], lock=True)
        assert [row.key for row in again.payments] == ["1", "2"]
        page.write(
            PageRecord(
                writes=tuple(make_correction(row, intent=f"pi_{row.key}") for row in again.payments)
            )
        )
    linked = made.rows()
    assert [linked[key]["payment_intent"] for key in "123"] == ["pi_1", "pi_2", "pi_3"]


def test_two_rows_with_one_intent(shop, bench):
    """Both are loaded, in order of key."""
    made = shop()
    for key in (12, 9):
        made.insert(key=key, payment_intent="pi_1", status="pending")
    assert [row.key for row in bench(made).store.load(["pi_1"]).payments] == ["9", "12"]


def test_paid_siblings(shop, bench):
    """The paid rows of the same orders come too, with any intent or none, and no others."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending", order="A")
    made.insert(key=2, payment_intent="pi_2", status="paid", order="A")
    made.insert(key=3, payment_intent="pi_3", status="failed", order="A")
    made.insert(key=4, payment_intent="pi_4", status="paid", order="B")
    made.insert(key=5, payment_intent="pi_5", status="paid", order=None)
    made.insert(key=6, payment_intent="pi_6", status="pending", order="")
    made.insert(key=7, payment_intent="pi_7", status="paid", order="")
    store = bench(made).store
    assert [row.key for row in store.load(["pi_1", "pi_6"]).paid] == ["2"]
    assert [row.key for row in store.load([], ["B"]).paid] == ["4"]


def test_an_order_of_many_rows_is_limited(shop, bench):
    """Of 1,000 rows with one order at most 100 come with a page."""
    made = shop()
    made.execute(
        "INSERT INTO payments (id, status, order_id, stripe_payment_intent_id) SELECT n, 'paid', 'x', 'pi_' || n FROM generate_series(1, 1000) n"
    )
    made.execute(
        "INSERT INTO payments (id, status, order_id) SELECT n, 'paid', 'x' FROM generate_series(1001, 2000) n"
    )
    loaded = bench(made).store.load(["pi_1", "pi_2"], ["x"])
    assert (len(loaded.payments), len(loaded.paid), len(loaded.claimable)) == (2, 100, 100)


@pytest.mark.parametrize("kind", ["bigint", "integer", "uuid", "numeric", "varchar(5)", "text"])
def test_an_order_from_metadata_may_be_any_text(shop, bench, kind):
    """The page is read for any text in Stripe's metadata: a text that the column cannot hold is the order of no row."""
    made = shop(columns={"order": ("order_id", kind)})
    made.insert(key=1, payment_intent="pi_1", status="pending")
    wild = [
        "7",
        "007",
        "9" * 30,
        "x'; DROP TABLE payments; --",
        "nul\x00",
        "",
        "é" * 300,
        "1e5",
        "NaN",
    ]
    loaded = bench(made).store.load(["pi_1", "nul\x00", ""], wild)
    assert [row.key for row in loaded.payments] == ["1"]
    assert loaded.claimable == ()


def test_accounts_are_kept_apart(shop, bench, make_correction):
    """Another account's rows are neither read, nor listed, nor counted, nor written."""
    made = shop(columns={"account": ("acct", "text")})
    for n, account in enumerate(["one", "two", None], start=1):
        made.insert(key=n, payment_intent="pi_1", status="pending", order="A", account=account)
        made.insert(
            key=n + 10, payment_intent=f"pi_paid_{n}", status="paid", order="A", account=account
        )
    one = bench(made, account="one", accounts=(AccountRows("one"), AccountRows("two")))
    assert [row.key for row in one.store.load(["pi_1"]).payments] == ["1"]
    assert [row.key for row in one.store.load(["pi_1"]).paid] == ["11"]
    assert one.store.count_open(TimeRange()) == 1
    assert {ref.key for ref in one.store.payments_between(TimeRange(), None, 9)} == {"1", "11"}
    with one.store.transaction(one.epoch) as page:
        rows = page.read_again(["pi_1"], ["1", "2", "3"], lock=True).payments
        page.write(PageRecord(writes=tuple(make_correction(row) for row in rows)))
    assert [made.rows()[key]["status"] for key in "123"] == ["paid", "pending", "pending"]


def test_rows_of_an_account_by_value(shop, bench, make_correction):
    """The value is compared as it is, also with quotes and percent signs; holds_null adds the rows whose account is NULL."""
    made = shop(columns={"account": ("acct", "text")})
    value = "50% 'off' \\ {x} %(account)s"
    for n, account in enumerate([value, None, "default"], start=1):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending", account=account)
    rows = AccountRows("default", value)
    one = bench(made, account="other", account_rows=rows)
    assert {ref.key for ref in one.store.payments_between(TimeRange(), None, 9)} == {"1"}
    one = bench(made, account_rows=replace(rows, holds_null=True))
    with one.store.transaction(one.epoch) as page:
        found = page.read_again(["pi_1", "pi_2", "pi_3"], [], lock=True).payments
        page.write(PageRecord(writes=tuple(make_correction(row) for row in found)))
    assert [made.rows()[key]["status"] for key in "123"] == ["paid", "paid", "pending"]


def test_a_view_and_a_partitioned_table(shop, bench, make_correction):
    """A simple view and a partitioned table are read, locked and corrected like a table."""
    plain = shop(table="public.base")
    plain.insert(key=1, payment_intent="pi_1", status="pending")
    plain.execute("CREATE VIEW payments AS SELECT * FROM base")
    view = replace(plain, mapping=replace(plain.mapping, table="payments"))
    plain.execute(
        "CREATE TABLE parts (LIKE base) PARTITION BY RANGE (created_at);"
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-11-02');"
        "CREATE TABLE parts_2 PARTITION OF parts DEFAULT;"
        "INSERT INTO parts SELECT * FROM base"
    )
    parts = replace(plain, mapping=replace(plain.mapping, table="public.parts"))
    for n, made in enumerate((view, parts)):
        table = bench(made, account=f"acct{n}")
        with table.store.transaction(table.epoch) as page:
            rows = page.read_again(["pi_1"], [], lock=True).payments
            page.write(PageRecord(writes=(make_correction(rows[0]),)))
    assert plain.rows()["1"]["status"] == "paid"
    assert parts.rows()["1"]["status"] == "paid"


@pytest.mark.parametrize("kind", ["text", "varchar(255)", "char(40)"])
def test_the_index_on_the_intent_is_used(shop, bench, kind):
    """The rows of a page are found by the index on the PaymentIntent's column, for every type of it."""
    made = shop(columns={"payment_intent": ("pi", kind)})
    made.execute(
        "INSERT INTO payments (id, status, pi) SELECT n, 'pending', 'pi_' || n FROM generate_series(1, 20000) n"
    )
    made.execute("CREATE INDEX payments_pi ON payments (pi)")
    made.execute("CREATE INDEX payments_created ON payments (created_at)")
    made.execute("ANALYZE payments")
    table = bench(made)
    merchant = table.store._table
    queries = {
        merchant.rows_of_intents: "payments_pi",
        merchant.rows_locked: "payments_pi",
        merchant.references(
            TimeRange(since=CREATED), only_open=False, after=False
        ): "payments_created",
    }
    parameters = {
        "account": "default",
        "intents": ["pi_1", "pi_2"],
        "keys": ["3"],
        "since": CREATED,
        "limit": 5,
    }
    with table.database.connection("explaining") as connection:
        for query, index in queries.items():
            plan = connection.execute(b"EXPLAIN " + query, parameters).fetchall()
            assert any(index in line for (line,) in plan), plan
