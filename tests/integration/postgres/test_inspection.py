"""A mapping that does not fit is told at start: every fault at once, each with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import Inspection, inspect
from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome
from reconciler.errors import ConfigurationError


def look(shop, *, url: str | None = None, writes: bool = True, **options) -> Inspection:
    mapping = replace(shop.mapping, **options.pop("mapping", {}))
    with Database(url or shop.url) as database:
        return inspect(database, mapping, writes=writes, **options)


def statuses(read: dict[str, str], write: dict[str, str]) -> StatusMap:
    return StatusMap(
        {value: Outcome(outcome) for value, outcome in read.items()},
        {Outcome(outcome): value for outcome, value in write.items()},
    )


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("public.payment", "did you mean public.payments?"),
        ("public.Payments", "did you mean public.payments?"),
        ("PAYMENTS", "did you mean public.payments?"),
        ("shop.payments", "did you mean public.payments?"),
        ("public.zzz", "no table public.zzz. Write it"),
    ],
)
def test_a_missing_table_is_named_with_the_nearest(shop, table, hint):
    """A slip of the pen, a wrong case or a wrong schema is met with the name that there is."""
    found = look(shop(), mapping={"table": table})
    assert found.table is None
    assert len(found.faults) == 1
    assert hint in found.faults[0]


def test_a_table_without_a_schema_is_found_by_the_search_path(shop):
    """A bare name leads to the first such table of the search_path."""
    made = shop()
    table = look(made, mapping={"table": "payments"}).fitting()
    assert (table.schema, table.name) == ("public", "payments")


def test_all_faults_come_at_once(shop):
    """Everything that does not fit is in one error, a sentence each."""
    made = shop(
        columns={"amount": ("amount", "double precision"), "created": ("created_at", "bigint")}
    )
    found = look(
        made,
        mapping={
            "key": "ID",
            "payment_intent": "intent",
            "currency_constant": "eur",
            "statuses": statuses({"pending": "incomplete"}, {"succeeded": "paid"}),
        },
        accounts=("one", "two"),
    )
    with pytest.raises(ConfigurationError) as caught:
        found.fitting()
    assert caught.value.exit_code == 78
    faults = caught.value.faults
    for words in (
        "key: public.payments has no column ID; did you mean id",
        "payment_intent: public.payments has no column intent",
        "give either currency",
        "several [[accounts]] need a column",
        "floating point cannot hold money",
        'created_unit = "s" or "ms"',
        '"paid", but [payments.read] does not know it',
    ):
        assert any(words in fault for fault in faults), (words, faults)
    assert len(faults) == 7


@pytest.mark.parametrize(
    ("part", "kind", "words"),
    [
        ("payment_intent", "uuid", "it has to be text"),
        ("payment_intent", "bigint", "it has to be text"),
        ("status", "boolean", "it has to be text, an enum or an integer"),
        ("status", "jsonb", "it has to be text, an enum or an integer"),
        ("amount", "real", "floating point cannot hold money"),
        ("amount", "money", "it has to be integer or numeric"),
        ("amount", "text", "it has to be integer or numeric"),
        ("currency", "integer", "it has to be text or an enum"),
        ("created", "text", "has to be a timestamp"),
        ("created", "time", "has to be a timestamp"),
        ("updated", "text", "has to be a timestamp"),
        ("updated", "bigint", 'created_unit = "s" or "ms"'),
        ("order", "jsonb", "it has to be text, integer or uuid"),
        ("order", "double precision", "cannot hold it exactly"),
        ("key", "double precision", "cannot hold it exactly"),
    ],
)
def test_a_type_that_cannot_be_is_refused(shop, part, kind, words):
    """Each part has the types that it can be, and the column's own is named."""
    made = shop(columns={part: ("the_column", kind)})
    found = look(made)
    assert [words in fault and "the_column" in fault for fault in found.faults] == [True], found


@pytest.mark.parametrize(
    ("kind", "unit", "words"),
    [
        ("timestamptz", "s", "Leave created_unit out"),
        ("bigint", None, 'created_unit = "s" or "ms"'),
        ("integer", "ms", "too small for milliseconds"),
    ],
)
def test_a_unit_that_does_not_fit_is_refused(shop, kind, unit, words):
    """created_unit belongs to numbers, and numbers need it."""
    found = look(shop(columns={"created": ("created", kind)}, created_unit=unit))
    assert [words in fault for fault in found.faults] == [True], found


ENUM = "CREATE TYPE state AS ENUM ('pending', 'paid')"


@pytest.mark.parametrize(
    ("kind", "read", "write", "words"),
    [
        ("state", {"pending": "incomplete", "Paid": "succeeded"}, {"succeeded": "Paid"}, "is no member of state, which has pending, paid"),
        ("varchar(4)", {"new": "incomplete", "succeeded": "succeeded"}, {"succeeded": "succeeded"}, "longer than status allows"),
        ("char(4)", {"new": "incomplete", "succeeded": "succeeded"}, {"succeeded": "succeeded"}, "longer than status allows"),
        ("char(9)", {"new": "incomplete", "paid ": "succeeded"}, {"succeeded": "paid "}, "ends in blanks"),
        ("smallint", {"0": "incomplete", "paid": "succeeded"}, {"succeeded": "paid"}, "cannot be a value of status"),
        ("text", {"new": "incomplete", "paid": "processing"}, {"succeeded": "paid"}, "reads it as processing"),
        ("text", {"new": "incomplete"}, {"succeeded": "paid"}, "does not know it"),
    ],
)  # fmt: skip
def test_a_status_to_write_must_stand_and_mean_what_it_says(shop, kind, read, write, words):
    """A value to write is a member, fits the length, and is read back as its outcome; a report needs that too."""
    made = shop(
        columns={"status": ("status", kind)}, before=(ENUM,), statuses=statuses(read, write)
    )
    for writes in (True, False):
        found = look(made, writes=writes)
        assert [words in fault for fault in found.faults] == [True], found


@pytest.mark.parametrize(
    ("kind", "value"),
    [("state", "Pending"), ("varchar(4)", "pending"), ("char(9)", "pending "), ("smallint", "x")],
)
def test_a_status_to_read_that_no_row_can_have_is_a_warning(shop, kind, value):
    """It keeps nobody from starting, and the statements leave it out."""
    made = shop(
        columns={"status": ("status", kind)},
        before=(ENUM,),
        statuses=statuses({value: "incomplete"}, {}),
    )
    found = look(made)
    assert found.faults == ()
    assert any("no row can have this value" in warning for warning in found.warnings)
    if kind in {"state", "smallint"}:
        assert found.fitting().open_statuses == []


def test_missing_privileges_come_with_the_grants_to_run(shop, role):
    """SELECT, UPDATE and USAGE that are missing are each named with the statement that gives them; then it fits."""
    name, as_role = role("reader")
    made = shop(
        table="Shop.Order", before=('CREATE SCHEMA "Shop"',), columns={"status": ("select", "text")}
    )
    url = as_role(made.url)
    found = look(made, url=url, links=True)
    grants = [fault.partition("Run: ")[2] for fault in found.faults]
    columns = '"id", "stripe_payment_intent_id", "select", "amount", "currency", "created_at", "updated_at", "order_id"'
    assert grants == [
        f'GRANT USAGE ON SCHEMA "Shop" TO "{name}";',
        f'GRANT SELECT ({columns}) ON "Shop"."Order" TO "{name}";',
        f'GRANT UPDATE ("select", "updated_at", "stripe_payment_intent_id") ON "Shop"."Order" TO "{name}";',
    ]
    for grant in grants[:2]:
        made.execute(grant)
    assert look(made, url=url, writes=False).faults == ()
    assert len(look(made, url=url, writes=True).faults) == 1
    made.execute(grants[2])
    assert look(made, url=url, links=True).faults == ()


def test_accounts_must_be_values_of_their_column(shop):
    """An account's name that the column cannot hold would never match a row."""
    made = shop(
        columns={"account": ("acct", "acct")}, before=("CREATE TYPE acct AS ENUM ('one', 'two')",)
    )
    assert look(made, accounts=("one", "two")).faults == ()
    [fault] = look(made, accounts=("one", "three")).faults
    assert "cannot hold three" in fault
    [fault] = look(shop(table="b", columns={"account": ("acct", "bigint")})).faults
    assert "it holds the names of [[accounts]]" in fault


def test_what_cannot_be_corrected_in_place_is_refused(shop):
    """A join, a materialized view or a generated column can be read; to write it is a fault at start."""
    made = shop()
    made.execute("CREATE VIEW joined AS SELECT a.* FROM payments a JOIN payments b USING (id)")
    made.execute("CREATE MATERIALIZED VIEW stored AS SELECT * FROM payments")
    made.execute(
        "CREATE TABLE made (LIKE payments); ALTER TABLE made DROP COLUMN status;"
        "ALTER TABLE made ADD COLUMN raw text, ADD COLUMN status text GENERATED ALWAYS AS (lower(raw)) STORED"
    )
    for table in ("joined", "stored", "made"):
        assert look(made, writes=False, mapping={"table": table}).faults == (), table
        assert len(look(made, writes=True, mapping={"table": table}).faults) == 1, table


def test_a_name_with_a_percent_sign_is_refused(shop):
    """It cannot stand in a statement with parameters; a view can rename it."""
    made = shop(columns={"status": ("status%", "text")})
    [fault] = look(made).faults
    assert "Map a view" in fault
    [fault] = look(shop(table="public.pay%ments")).faults
    assert "Map a view" in fault


def test_the_updated_column_has_no_other_part(shop):
    """A column cannot be set to the status and to the time at once."""
    [fault] = [
        fault
        for fault in look(shop(), mapping={"updated": "status"}).faults
        if "another part" in fault
    ]
    assert "status" in fault


def test_doctors_warnings_about_indexes(shop):
    """No index on the intent, the order or created, and a key that is not unique, are named with their mend."""
    made = shop(columns={"key": ("id", "bigint NOT NULL")})
    warnings = look(made).warnings
    mends = [warning.partition("Run: ")[2] for warning in warnings]
    assert mends == [
        'CREATE UNIQUE INDEX CONCURRENTLY ON "public"."payments" ("id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("stripe_payment_intent_id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("order_id");',
        'CREATE INDEX CONCURRENTLY ON "public"."payments" ("created_at");',
    ]
    for hint in mends:
        made.execute(hint)
    assert look(made).warnings == ()


def test_a_partitioned_table_is_met_on_its_own_terms(shop):
    """Its unique key holds the partition's column as well, and an index is not built concurrently."""
    made = shop(table="public.base", columns={"order": None})
    made.execute(
        "CREATE TABLE parts (LIKE base, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)"
    )
    warnings = look(made, mapping={"table": "parts"}).warnings
    mends = [warning.partition("Run: ")[2] for warning in warnings]
    assert len(mends) == 2
    for hint in mends:
        made.execute(hint)
    assert look(made, mapping={"table": "parts"}).warnings == ()


def test_a_missing_status_column_is_one_fault(shop):
    """Without the column its values are not judged."""
    [fault] = look(shop(), mapping={"status": "state"}).faults
    assert "has no column state; did you mean status" in fault


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
    """An index serves where a lookup by intent can use it: by its first column, or behind the account's."""
    made = shop(columns={"account": ("acct", "text")})
    made.execute(f"CREATE INDEX ON payments {index}")
    warned = any("serves stripe_payment_intent_id" in warning for warning in look(made).warnings)
    assert warned is not serves
