"""A mapping that does not fit the table stops the start: every fault at once, each with a hint."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import Inspection, inspect
from reconciler.adapters.postgres.merchant.table_warnings import warnings_of
from reconciler.domain.model.payment import AccountRows, StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.errors import ConfigurationError, ConfigurationFault
from tests.some_quick import some_quick


@dataclass
class Found:
    """An inspection, with its faults and warnings as texts."""

    inspection: Inspection
    warned: tuple[ConfigurationFault, ...]

    @property
    def faults(self) -> list[str]:
        return [str(fault) for fault in self.inspection.faults]

    @property
    def warnings(self) -> list[str]:
        return [str(warning) for warning in self.warned]


def inspect_shop(shop, *, url: str | None = None, writes: bool = True, **options) -> Found:
    mapping = replace(shop.mapping, **options.pop("mapping", {}))
    with Database(url or shop.url) as database:
        found = inspect(database, mapping, writes=writes, **options)
        return Found(found, warnings_of(database, found))


def statement(text: str) -> str:
    """The statement to run that a fault or warning ends with."""
    return text.partition("Run: ")[2]


def statuses(read: dict[str, str], write: dict[str, str]) -> StatusMap:
    return StatusMap(
        {value: Outcome(outcome) for value, outcome in read.items()},
        {Outcome(outcome): value for outcome, value in write.items()},
    )


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("public.payment", "the nearest name is public.payments."),
        ("public.Payments", "the nearest name is public.payments."),
        ("PAYMENTS", "the nearest name is public.payments."),
        ("shop.payments", "the nearest name is public.payments."),
        ("public.zzz", "no table public.zzz. Write it"),
    ],
)
def test_a_missing_table_is_named_with_the_nearest(shop, table, hint):
    """A misspelt name, a wrong case or a wrong schema is answered with the name of the nearest table."""
    found = inspect_shop(shop(), mapping={"table": table})
    assert found.inspection.table is None
    assert len(found.faults) == 1
    assert hint in found.faults[0]


def test_a_table_without_a_schema_is_found_by_the_search_path(shop):
    """A bare name leads to the first such table of the search_path."""
    made = shop()
    table = inspect_shop(made, mapping={"table": "payments"}).inspection.table_or_raise()
    assert (table.schema, table.name) == ("public", "payments")


def test_all_faults_come_at_once(shop):
    """Everything that does not fit is in one error, each fault by itself."""
    made = shop(
        columns={"amount": ("amount", "double precision"), "created": ("created_at", "bigint")}
    )
    found = inspect_shop(
        made,
        mapping={
            "key": "ID",
            "payment_intent": "intent",
            "currency_constant": "eur",
            "statuses": statuses({"pending": "incomplete"}, {"succeeded": "paid"}),
        },
        accounts=(AccountRows("one"), AccountRows("two")),
    )
    with pytest.raises(ConfigurationError) as caught:
        found.inspection.table_or_raise()
    assert caught.value.exit_code == 78
    faults = [str(fault) for fault in caught.value.faults]
    for words in (
        "key: public.payments has no column ID; the nearest name is id",
        "payment_intent: public.payments has no column intent",
        "set either currency",
        "several [[accounts]] need a column",
        "floating point cannot hold money",
        'created_unit to "s" if',
        '"paid", but [payments.read] lacks this status',
    ):
        assert any(words in fault for fault in faults), (words, faults)
    assert len(faults) == 7


@some_quick(
    ("part", "kind", "words"),
    [
        ("payment_intent", "uuid", "it has to be text"),
        ("payment_intent", "bigint", "it has to be text"),
        ("status", "jsonb", "it has to be text, an enum, an integer or a boolean"),
        ("amount", "real", "floating point cannot hold money"),
        ("amount", "money", "it has to be integer or numeric"),
        ("amount", "text", "it has to be integer or numeric"),
        ("currency", "integer", "it has to be text or an enum"),
        ("created", "text", "has to be a timestamp"),
        ("created", "time", "has to be a timestamp"),
        ("updated", "text", "has to be a timestamp"),
        ("updated", "bigint", 'created_unit to "s" if'),
        ("order", "jsonb", "it has to be text, integer or uuid"),
        ("order", "double precision", "cannot hold it exactly"),
        ("key", "double precision", "cannot hold it exactly"),
    ],
    quick=range(0, 14, 3),
)
def test_a_type_that_does_not_fit_is_refused(shop, part, kind, words):
    """A column whose type cannot play its part is a fault that names the column."""
    made = shop(columns={part: ("the_column", kind)})
    found = inspect_shop(made)
    assert [words in fault and "the_column" in fault for fault in found.faults] == [True], found


@pytest.mark.parametrize(
    ("kind", "unit", "words"),
    [
        ("timestamptz", "s", "Delete created_unit"),
        ("bigint", None, 'created_unit to "s" if'),
        ("integer", "ms", "too small for milliseconds"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(shop, kind, unit, words):
    """created_unit is for numbers, and numbers need it."""
    found = inspect_shop(shop(columns={"created": ("created", kind)}, created_unit=unit))
    assert [words in fault for fault in found.faults] == [True], found


ENUM = "CREATE TYPE state AS ENUM ('pending', 'paid')"


@pytest.mark.parametrize(
    ("kind", "read", "write", "words"),
    [
        ("state", {"pending": "incomplete", "Paid": "succeeded"}, {"succeeded": "Paid"}, "is not a value of the type state, which has pending, paid"),
        ("varchar(4)", {"new": "incomplete", "succeeded": "succeeded"}, {"succeeded": "succeeded"}, "longer than status allows"),
        ("char(4)", {"new": "incomplete", "succeeded": "succeeded"}, {"succeeded": "succeeded"}, "longer than status allows"),
        ("char(9)", {"new": "incomplete", "paid ": "succeeded"}, {"succeeded": "paid "}, "ends in spaces"),
        ("smallint", {"0": "incomplete", "paid": "succeeded"}, {"succeeded": "paid"}, "cannot be a value of status"),
        ("text", {"new": "incomplete", "paid": "processing"}, {"succeeded": "paid"}, "reads this as processing"),
        ("text", {"new": "incomplete"}, {"succeeded": "paid"}, "lacks this status"),
    ],
)  # fmt: skip
def test_a_status_to_write_must_fit_the_column_and_read_back(shop, kind, read, write, words):
    """A value to write is a member, fits the length, and reads back as its outcome; also if nothing is to be written."""
    made = shop(
        columns={"status": ("status", kind)}, before=(ENUM,), statuses=statuses(read, write)
    )
    for writes in (True, False):
        found = inspect_shop(made, writes=writes)
        assert [words in fault for fault in found.faults] == [True], found


@pytest.mark.parametrize(
    ("kind", "value"),
    [("state", "Pending"), ("varchar(4)", "pending"), ("char(9)", "pending "), ("smallint", "x")],
)
def test_a_status_to_read_that_no_row_can_have_is_a_warning(shop, kind, value):
    """Every command starts all the same, and the statements leave the value out."""
    made = shop(
        columns={"status": ("status", kind)},
        before=(ENUM,),
        statuses=statuses({value: "incomplete"}, {}),
    )
    found = inspect_shop(made)
    assert found.faults == []
    assert any("no row can have this status" in warning for warning in found.warnings)
    if kind in {"state", "smallint"}:
        assert found.inspection.table_or_raise().open_statuses == []


def test_missing_privileges_come_with_the_grants_to_run(shop, role):
    """Each of USAGE, SELECT and UPDATE that is missing is a fault with its GRANT; after these the table fits."""
    name, as_role = role("reader")
    made = shop(
        table="Shop.Order", before=('CREATE SCHEMA "Shop"',), columns={"status": ("select", "text")}
    )
    url = as_role(made.url)
    found = inspect_shop(made, url=url, links=True)
    grants = [statement(fault) for fault in found.faults]
    columns = '"id", "stripe_payment_intent_id", "select", "amount", "currency", "created_at", "updated_at", "order_id"'
    assert grants == [
        f'GRANT USAGE ON SCHEMA "Shop" TO "{name}";',
        f'GRANT SELECT ({columns}) ON "Shop"."Order" TO "{name}";',
        f'GRANT UPDATE ("select", "updated_at", "stripe_payment_intent_id") ON "Shop"."Order" TO "{name}";',
    ]
    for grant in grants[:2]:
        made.execute(grant)
    assert inspect_shop(made, url=url, writes=False).faults == []
    assert len(inspect_shop(made, url=url, writes=True).faults) == 1
    made.execute(grants[2])
    assert inspect_shop(made, url=url, links=True).faults == []


def test_accounts_must_be_values_of_their_column(shop):
    """An account's name that the column cannot hold would never match a row."""
    made = shop(
        columns={"account": ("acct", "acct")}, before=("CREATE TYPE acct AS ENUM ('one', 'two')",)
    )
    one = AccountRows("one")
    assert inspect_shop(made, accounts=(one, AccountRows("two"))).faults == []
    assert inspect_shop(made, accounts=(one, AccountRows("three", "two"))).faults == []
    assert inspect_shop(made, accounts=(one, AccountRows("three", holds_null=True))).faults == []
    [fault] = inspect_shop(made, accounts=(one, AccountRows("three"))).faults
    assert "cannot hold three" in fault
    numbered = shop(table="b", columns={"account": ("acct", "bigint")})
    assert inspect_shop(numbered, accounts=(AccountRows("one", "7"),)).faults == []
    [fault] = inspect_shop(numbered).faults
    assert "cannot hold default" in fault
    [fault] = inspect_shop(shop(table="c", columns={"account": ("acct", "boolean")})).faults
    assert "it holds the value of each of [[accounts]]" in fault


def test_what_cannot_be_corrected_in_place_is_refused(shop):
    """A join, a materialized view or a generated column can be read; a command that writes does not start."""
    made = shop()
    made.execute("CREATE VIEW joined AS SELECT a.* FROM payments a JOIN payments b USING (id)")
    made.execute("CREATE MATERIALIZED VIEW stored AS SELECT * FROM payments")
    made.execute(
        "CREATE TABLE made (LIKE payments); ALTER TABLE made DROP COLUMN status;"
        "ALTER TABLE made ADD COLUMN raw text, ADD COLUMN status text GENERATED ALWAYS AS (lower(raw)) STORED"
    )
    for table in ("joined", "stored", "made"):
        assert inspect_shop(made, writes=False, mapping={"table": table}).faults == [], table
        assert len(inspect_shop(made, writes=True, mapping={"table": table}).faults) == 1, table


def test_a_name_with_a_percent_sign_is_refused(shop):
    """A statement with parameters cannot hold it; a view can rename it."""
    made = shop(columns={"status": ("status%", "text")})
    [fault] = inspect_shop(made).faults
    assert "Create a view" in fault
    [fault] = inspect_shop(shop(table="public.pay%ments")).faults
    assert "Create a view" in fault


def test_the_updated_column_has_no_other_part(shop):
    """One column cannot hold both the status and the time."""
    [fault] = [
        fault
        for fault in inspect_shop(shop(), mapping={"updated": "status"}).faults
        if "already mapped under another key" in fault
    ]
    assert "status" in fault


def test_missing_indexes_are_warnings(shop):
    """A missing index and a key that is not unique come with the statement that ends the warning."""
    made = shop(columns={"key": ("id", "bigint NOT NULL")})
    warnings = inspect_shop(made).warnings
    statements = [statement(warning) for warning in warnings]
    assert statements == [
        'CREATE UNIQUE INDEX CONCURRENTLY ON "public"."payments" ("id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("stripe_payment_intent_id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("order_id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("created_at");',
    ]
    for one in statements:
        made.execute(one)
    assert inspect_shop(made).warnings == []


def test_warnings_about_a_partitioned_table(shop):
    """Its unique key may hold the partition's column as well, and its index is not built concurrently."""
    made = shop(table="public.base", columns={"order": None})
    made.execute(
        "CREATE TABLE parts (LIKE base, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)"
    )
    warnings = inspect_shop(made, mapping={"table": "parts"}).warnings
    statements = [statement(warning) for warning in warnings]
    assert len(statements) == 2
    for one in statements:
        made.execute(one)
    assert inspect_shop(made, mapping={"table": "parts"}).warnings == []


def test_a_missing_status_column_is_one_fault(shop):
    """Without the column its values are not checked."""
    [fault] = inspect_shop(shop(), mapping={"status": "state"}).faults
    assert "has no column state; the nearest name is status" in fault


@pytest.mark.parametrize(
    ("index", "serves"),
    [
        ("(stripe_payment_intent_id) WHERE stripe_payment_intent_id IS NOT NULL", True),
        ("(stripe_payment_intent_id, status)", True),
        ("(acct, stripe_payment_intent_id)", True),
        ("(status, stripe_payment_intent_id)", False),
        ("(lower(stripe_payment_intent_id))", False),
        ("(stripe_payment_intent_id) WHERE status = 'pending'", False),
    ],
)
def test_which_indexes_serve(shop, index, serves):
    """An index serves if a lookup by intent can use it: by its first column, or after the account's."""
    made = shop(columns={"account": ("acct", "text")})
    made.execute(f"CREATE INDEX ON payments {index}")
    warned = any(
        "supports a search by stripe_payment_intent_id" in warning
        for warning in inspect_shop(made).warnings
    )
    assert warned is not serves
