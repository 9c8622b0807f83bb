"""Another role put functions and operators into a schema on the search_path: none of them is ever called."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from reconciler.adapters.postgres.schema.migration import migrate
from tests.acceptance.installation import Installation

TYPES = (
    "text", "varchar", "bpchar", "name", "jsonb", "bigint", "integer", "smallint", "oid", "boolean", "timestamptz",
    "interval", "numeric", "float8", "text[]",
)  # fmt: skip
OPERATORS = (
    "=",
    "<>",
    "<",
    ">",
    "<=",
    ">=",
    "~",
    "~~",
    "!~~",
    "||",
    "->",
    "->>",
    "?",
    "+",
    "-",
    "*",
    "/",
    "&",
)
FUNCTIONS = (
    "unnest(smallint[])", "unnest(text[])", "unnest(bigint[])", "unnest(name[])", "unnest(text[], text[])",
    "format(text, name)", "format(text, name, name)", "concat_ws(text, text, text, text, text)", "concat(text, text)",
    "to_jsonb(bigint)", "to_jsonb(text)", "cardinality(text[])", "left(text, bigint)", "count(text)", "count(bigint)",
    "has_table_privilege(oid, varchar)", "array_agg(text)", "array_agg(name)", "current_schemas(text)", "hashtext(varchar)",
    "set_config(varchar, varchar, boolean)", "to_regclass(varchar)", "pg_notify(text, varchar)", "rtrim(varchar)",
    "encode(bytea, varchar)", "octet_length(varchar)", "starts_with(text, varchar)", "aclexplode(text)",
    "make_interval(secs integer)", "make_interval(days bigint)", "date_trunc(varchar, timestamptz, varchar)",
    "to_timestamp(bigint)", "to_timestamp(numeric)", "has_schema_privilege(oid, varchar)", "now(text)",
)  # fmt: skip

PLANT = """
DO $$
DECLARE
    l text;
    r text;
    o text;
    signature text;
BEGIN
    FOREACH l IN ARRAY %(types)s::text[] LOOP
        FOREACH r IN ARRAY %(types)s::text[] LOOP
            EXECUTE format(
                'CREATE FUNCTION {schema}.hostile(a %%s, b %%s) RETURNS boolean LANGUAGE plpgsql AS %%L', l, r,
                'BEGIN RAISE EXCEPTION ''a hostile operator was called''; END');
            FOREACH o IN ARRAY %(operators)s::text[] LOOP
                EXECUTE format(
                    'CREATE OPERATOR {schema}.%%s (LEFTARG = %%s, RIGHTARG = %%s, FUNCTION = {schema}.hostile)', o, l, r);
            END LOOP;
        END LOOP;
    END LOOP;
    FOREACH signature IN ARRAY %(functions)s::text[] LOOP
        EXECUTE format(
            'CREATE FUNCTION {schema}.%%s RETURNS bigint LANGUAGE plpgsql AS %%L', signature,
            'BEGIN RAISE EXCEPTION ''a hostile function was called''; END');
    END LOOP;
END
$$
"""


def plant(url: str, schema: str) -> None:
    """Create operators for every two types, and functions, each an exact match. Each raises an exception if called."""
    values = {"types": list(TYPES), "operators": list(OPERATORS), "functions": list(FUNCTIONS)}
    with psycopg.connect(url, autocommit=True) as connection:
        # what it has planted must not meet this statement itself
        connection.execute("SET search_path TO pg_catalog")
        cursor = psycopg.ClientCursor(connection)
        cursor.execute(PLANT.replace("{schema}", schema), values)


def is_called(url: str, query: str) -> bool:
    with psycopg.connect(url) as connection:
        try:
            connection.execute(query)
        except psycopg.errors.RaiseException as error:
            return "hostile" in str(error)
    return False


@pytest.fixture
def attacked(make_installation: Callable[..., Installation], server, database: str) -> Installation:
    """A shop with hostile functions in ``public`` and in the schema named as the user, both on its search_path."""
    installation = make_installation()
    installation.shop.execute("CREATE SCHEMA postgres")
    for schema in ("public", "postgres"):
        plant(installation.shop.url, schema)
    installation.shop.execute(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM own_work(); RETURN NEW; END $$;"
        "CREATE FUNCTION own_work() RETURNS void LANGUAGE sql AS 'SELECT';"
        "CREATE TRIGGER touch BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION touch()"
    )
    return installation


def test_the_attack_works_on_unqualified_names(attacked: Installation) -> None:
    """The measure itself: a statement without schemas calls the hostile function, and the hostile operator."""
    url = attacked.shop.url
    assert is_called(url, "SELECT unnest('{1}'::smallint[])")
    assert is_called(url, "SELECT '{}'::jsonb -> '1'")
    assert is_called(url, "SELECT format('%I', 'a'::name)")


def test_no_command_calls_them(attacked: Installation) -> None:
    """A sweep, a dry run, doctor as superuser, and every command for people do their work; a trigger keeps its path."""
    intent = attacked.add_payment(1, order="order 1")
    attacked.add_payment(4, "canceled", order="order 4")
    attacked.add_unknown_payment(5)
    attacked.stripe.create_payment(900, "eur", metadata={"order_id": "order 6"})

    assert attacked.sweep().code == 0
    applied = attacked.sweep("--apply")
    assert applied.code == 0, applied.err
    assert attacked.statuses()["1"] == "paid"

    doctor = attacked.run("doctor")
    assert "hostile" not in doctor.out + doctor.err
    assert "search_path" in doctor.out
    [flagged] = attacked.query_dicts(
        "SELECT id FROM reconciler.discrepancies WHERE kind OPERATOR(pg_catalog.=) 'paid_after_cancel'::text"
    )
    number = str(flagged["id"])
    for command in (
        ("explain", intent),
        ("status",),
        ("status", "--json"),
        ("discrepancies", "--json"),
        ("resolve", number, "--note", "refunded"),
        ("export", "--format", "jsonl"),
        ("verify",),
        ("migrate", "--check"),
        ("migrate",),
    ):
        answer = attacked.run(*command)
        assert answer.code == 0, (command, answer.out, answer.err)
    sweep = max(row["id"] for row in attacked.query_dicts("SELECT id FROM reconciler.sweeps"))
    reverted = attacked.run("revert", "--sweep", str(sweep), "--apply")
    assert "hostile" not in reverted.out + reverted.err


def test_migrate_calls_none_of_them(empty_database: str) -> None:
    """migrate creates the whole schema in a database where they stand in public."""
    plant(empty_database, "public")
    assert migrate(empty_database, daemon_role=None, auditor_role=None)
    assert migrate(empty_database, daemon_role=None, auditor_role=None) == ()


OWN_TYPE = """
CREATE SCHEMA kinds;
CREATE TYPE kinds.folded;
CREATE FUNCTION kinds.folded_in(cstring) RETURNS kinds.folded LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION kinds.folded_out(kinds.folded) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE kinds.folded (INPUT = kinds.folded_in, OUTPUT = kinds.folded_out, LIKE = text, CATEGORY = 'S');
CREATE CAST (kinds.folded AS text) WITHOUT FUNCTION AS IMPLICIT;
CREATE FUNCTION kinds.compare(a kinds.folded, b kinds.folded) RETURNS integer LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT bttextcmp(lower(a::text), lower(b::text))';
CREATE FUNCTION kinds.lt(a kinds.folded, b kinds.folded) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT kinds.compare(a, b) < 0';
CREATE FUNCTION kinds.le(a kinds.folded, b kinds.folded) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT kinds.compare(a, b) <= 0';
CREATE FUNCTION kinds.eq(a kinds.folded, b kinds.folded) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT kinds.compare(a, b) = 0';
CREATE FUNCTION kinds.ge(a kinds.folded, b kinds.folded) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT kinds.compare(a, b) >= 0';
CREATE FUNCTION kinds.gt(a kinds.folded, b kinds.folded) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT kinds.compare(a, b) > 0';
CREATE OPERATOR kinds.< (LEFTARG = kinds.folded, RIGHTARG = kinds.folded, FUNCTION = kinds.lt);
CREATE OPERATOR kinds.<= (LEFTARG = kinds.folded, RIGHTARG = kinds.folded, FUNCTION = kinds.le);
CREATE OPERATOR kinds.= (LEFTARG = kinds.folded, RIGHTARG = kinds.folded, FUNCTION = kinds.eq);
CREATE OPERATOR kinds.>= (LEFTARG = kinds.folded, RIGHTARG = kinds.folded, FUNCTION = kinds.ge);
CREATE OPERATOR kinds.> (LEFTARG = kinds.folded, RIGHTARG = kinds.folded, FUNCTION = kinds.gt);
CREATE OPERATOR CLASS kinds.folded_ops DEFAULT FOR TYPE kinds.folded USING btree AS
    OPERATOR 1 kinds.<, OPERATOR 2 kinds.<=, OPERATOR 3 kinds.=, OPERATOR 4 kinds.>=, OPERATOR 5 kinds.>,
    FUNCTION 1 kinds.compare(kinds.folded, kinds.folded);
"""


def test_a_type_of_the_merchants_keeps_its_own_operators(
    make_installation: Callable[..., Installation],
) -> None:
    """A type without case, as citext is one, in a schema that is not on the path: it is compared without case."""
    installation = make_installation(
        before=[OWN_TYPE],
        columns={
            "key": ("id", "kinds.folded PRIMARY KEY"),
            "status": ("status", "kinds.folded"),
            "order": ("order_id", "kinds.folded"),
        },
    )
    installation.add_payment("a", "pending", order="A")
    # the configuration does not know this status, but to the column it is the open one
    installation.add_payment("B", "PENDING", order="B")
    answer = installation.sweep("--apply", "--kind", "due")
    assert answer.code == 0, answer.err
    assert installation.statuses()["a"] == "paid"
    assert installation.states_by_kind().keys() == {"missed_outcome", "unknown_status"}
