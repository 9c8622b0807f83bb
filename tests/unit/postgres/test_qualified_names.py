"""No statement depends on the search_path: another role may have put a function or an operator of its own there.

PostgreSQL prefers an exact match in any schema of the path to a less exact one in pg_catalog. So each function, type,
operator and table is named with its schema. PostgreSQL's own grammar reads the statements.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import pytest
from pglast import parser
from psycopg import sql

from reconciler.adapters.postgres.merchant.catalog import TableColumn
from reconciler.adapters.postgres.merchant.merchant_table import MerchantTable
from reconciler.adapters.postgres.merchant.row_condition import count_statement
from reconciler.adapters.postgres.merchant.rows_of_no_account import statement_of
from reconciler.adapters.postgres.merchant.set_columns import update_statement, values_statement
from reconciler.adapters.postgres.page.due_row_search import DueRowStatements
from reconciler.adapters.postgres.statements import STATEMENTS, TEMPLATES
from reconciler.adapters.postgres.web.discrepancy_search import DiscrepancySearch, Order
from reconciler.domain.model.payment import SqlText, TableMapping
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from tests.conftest import COLUMNS, STATUSES

WITHOUT_A_NAME = {"AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT", "AEXPR_NULLIF"}
"""PostgreSQL has no way to name the operator of these. In Reconciler's statements both sides are text or jsonb, and the
operator for two of them is in pg_catalog, which is searched first."""
RANGES = (
    TimeRange(),
    TimeRange(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)),
)


def tree(statement: bytes) -> object:
    """The statement as PostgreSQL parses it. psycopg's parameters become PostgreSQL's."""
    text = re.sub(r"%\(\w+\)s", "$1", statement.decode()).replace("%%", "%")
    return json.loads(parser.parse_sql_json(text))


def nodes(value: object, inside: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Every node of a tree by its kind, after the nodes around it."""
    if isinstance(value, list):
        for item in value:
            yield from nodes(item, inside)
    elif isinstance(value, dict):
        for kind, item in value.items():
            if isinstance(item, dict):
                yield kind, item
            yield from nodes(item, kind)


def faults(statement: bytes) -> list[str]:
    """What a statement names without a schema."""
    parsed = list(nodes(tree(statement)))
    named_here = {node["ctename"] for kind, node in parsed if kind == "CommonTableExpr"}
    # FOR UPDATE OF names an alias
    named_here |= {node["aliasname"] for kind, node in parsed if kind == "alias"}
    return [fault for kind, node in parsed for fault in faults_of(kind, node, named_here)]


def faults_of(kind: str, node: dict, named_here: set[object]) -> Iterator[str]:
    match kind:
        case "FuncCall" if len(node["funcname"]) == 1:
            # unnest of several arrays is no function: the grammar makes several calls of pg_catalog.unnest from it
            if not (last(node["funcname"]) == "unnest" and len(node["args"]) > 1):
                yield f"function {last(node['funcname'])}"
        case "TypeName" | "typeName" if len(node.get("names", ())) == 1:
            yield f"type {last(node['names'])}"
        case "A_Expr" if node["kind"] not in WITHOUT_A_NAME and len(node["name"]) == 1:
            yield f"operator {last(node['name'])} ({node['kind']})"
        case "SubLink" if "testexpr" in node and len(node.get("operName", ())) < 2:
            yield "operator of IN (SELECT)"
        case "CaseExpr" if "arg" in node:
            yield "operator of CASE with a value"
        case "JoinExpr" if "usingClause" in node or node.get("isNatural"):
            yield "operator of USING"
        case "RangeVar" | "relation" if "relname" in node and "schemaname" not in node:
            if node["relname"] not in named_here:
                yield f"table {node['relname']}"
        case _:
            pass


def last(names: list) -> str:
    return names[-1]["String"]["sval"]


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT now()", "function now"),
        ("SELECT unnest('{}'::pg_catalog.text[])", "function unnest"),
        ("SELECT 'a'::text", "type text"),
        (
            "SELECT FROM pg_catalog.unnest('{}'::pg_catalog.int8[]) AS a (b) WHERE b = 1",
            "operator =",
        ),
        ("SELECT 1 IN (1, 2)", "operator ="),
        ("SELECT 1 BETWEEN 0 AND 2", "operator BETWEEN"),
        ("SELECT 'a' LIKE 'b'", "operator ~~"),
        ("SELECT CASE 1 WHEN 2 THEN 3 END", "operator of CASE"),
        ("SELECT 1 IN (SELECT 2)", "operator of IN"),
        ("SELECT FROM pg_class", "table pg_class"),
        ("UPDATE payments SET a = 1", "table payments"),
        ("SELECT FROM s.a JOIN s.b USING (c)", "operator of USING"),
    ],
)
def test_the_test_finds_names_without_a_schema(statement: str, fault: str) -> None:
    """The measure itself: each way to name something without its schema is found."""
    assert [found for found in faults(statement.encode()) if found.startswith(fault)]


@pytest.mark.parametrize(
    ("file", "name"),
    [(file, name) for file in STATEMENTS for name in STATEMENTS[file]],
    ids=lambda value: value,
)
def test_a_statement_names_every_schema(file: str, name: str) -> None:
    """A statement on Reconciler's own tables, or on the catalog."""
    if file != "demo":
        assert faults(STATEMENTS[file][name]) == []


def column(name: str, type_name: str, schema: str = "pg_catalog", **values: object) -> TableColumn:
    category = {"int8": "N", "numeric": "N"}.get(type_name, "S")
    return TableColumn(name, type_name, schema, type_name, category, None, (), True, True, **values)


@cache
def tables() -> dict[str, MerchantTable]:
    """Mapped tables of every kind that composes other statements."""
    names = {part: name for part, (name, _) in COLUMNS.items()}
    mapping = TableMapping(table="public.payments", statuses=STATUSES, **names)
    plain = MerchantTable(
        mapping,
        "public",
        "payments",
        key=column("id", "int8"),
        payment_intent=column("stripe_payment_intent_id", "text"),
        status=column("status", "text"),
        amount=column("amount", "int8"),
        created=column("created_at", "timestamptz"),
        currency=column("currency", "text"),
        updated=column("updated_at", "timestamptz"),
        order=column("order_id", "text"),
        account=column("account", "text"),
    )
    own = {"schema": "ext", "equality": ("ext", "="), "greater": ("ext", ">")}
    made = {"plain": plain, "client secrets": replace(plain, has_secrets=True)}
    set_mapping = replace(
        mapping, set={Outcome.SUCCEEDED: {"note": "x", "paid_at": SqlText("NULL")}}
    )
    made["set"] = replace(
        plain,
        mapping=set_mapping,
        set_columns=(column("note", "text"), column("paid_at", "timestamptz")),
    )
    made["no index"] = replace(plain, order_is_indexed=False, intent_is_indexed=False)
    made["own types"] = replace(
        plain,
        **{
            part: column(part, "citext", **own)
            for part in ("key", "status", "order", "payment_intent")
        },
    )
    for kind in ("timestamp", "date"):
        made[kind] = replace(
            plain, created=column("created_at", kind), updated=column("updated_at", kind)
        )
    for unit in ("s", "ms"):
        made[unit] = replace(
            plain,
            mapping=replace(mapping, created_unit=unit),
            created=column("created_at", "int8"),
            updated=column("updated_at", "int8"),
        )
    return made


def composed(table: MerchantTable) -> Iterator[bytes]:
    """Every statement that is composed for a table."""
    for name in (
        "rows_of_intents", "rows_again", "rows_locked", "rows_claimable", "rows_paid", "rows_of_orders", "holders",
        "rows_by_key", "rows_of_any_order", "rows_to_try", "references_newest", "open_by_status", "ids_sampled",
        "open_without_intent_count",
    ):  # fmt: skip
        yield getattr(table, name)
    yield table.compose("rows_of_intents_and_orders")
    nothing, true = sql.SQL(""), sql.SQL("true")
    yield table.sampled_payments(nothing, nothing, true)
    if table.set_columns:
        yield values_statement(table, lock=True)
    yield from (table.rows_named_by("payment_intent"), table.rows_named_by("key"))
    yield table.rows_named_by("order")
    if table.account is not None:
        yield statement_of(table, table.account)
        yield count_statement(table, "true")
    yield update_statement(table, linking=True)
    yield update_statement(table, linking=False)
    searched = DueRowStatements(table)
    yield from (searched.everywhere, searched.rows_in_gaps, searched.rows_near_due)
    for created in RANGES:
        yield searched.among(created)
        yield searched.rows_in_gaps_in_one_scan(created)
        yield table.sums_by_day(created)
        yield table.rows_left_out(created)
        for scheduled in (True, False):
            yield table.histogram(created, scheduled=scheduled)
            yield table.histogram_span(created, scheduled=scheduled)
            yield table.references_count(created, only_open=True, scheduled=scheduled)
            for looked_up in (True, False):
                yield table.references(
                    created, only_open=True, after=True, scheduled=scheduled, looked_up=looked_up
                )


@pytest.mark.parametrize(
    "kind",
    ["plain", "no index", "set", "client secrets", "own types", "timestamp", "date", "s", "ms"],
)
def test_a_composed_statement_names_every_schema(kind: str) -> None:
    """A statement on the merchant's table, which keeps the role's search_path for the table's triggers."""
    for statement in composed(tables()[kind]):
        assert faults(statement) == [], statement.decode()


def test_every_template_of_the_merchants_table_is_composed() -> None:
    """A new template does not escape the check above."""
    kinds = (tables()["plain"], tables()["no index"], tables()["set"])
    text = b"\n".join(statement for table in kinds for statement in composed(table)).decode()
    whole = {name for name in TEMPLATES["merchant"] if name not in STATEMENTS["merchant"]}
    not_named = {name for name in whole if f"-- {name}\n" not in text}
    assert not_named <= {
        "condition_check",
        "expression_sample",
        "expression_type",
        "evaluate_row",
        "evaluate_rows",
        "key_at",
        "text_shown",
        # they hold an SQL text, and the planner's own text of it
        "lookup_plan",
        "try_copy",
        "try_index",
        "intent_without_secret",
        # filled into the statement that writes rows
        "restored_value",
        "set_value",
        "value_check",
    }
    assert faults(tables()["client secrets"].rows_of_intents) == []


def test_the_templates_of_samples_name_every_schema() -> None:
    """A sample is read before it is known what the table is, on the role's own path."""
    name = sql.Identifier("t", "a")
    parts = {
        "columns": sql.SQL(", ").join(
            TEMPLATES["sampling"][template].format(column=name)
            for template in ("sampled_json", "sampled_text", "sampled_time")
        ),
        "table": sql.Identifier("public", "payments"),
        "sampled": sql.SQL(""),
        "condition": sql.SQL("true"),
        "ordered": sql.SQL(""),
    }
    assert faults(TEMPLATES["sampling"]["sampled_rows"].format(**parts).as_bytes(None)) == []
    codes = TEMPLATES["sampling"]["holds_currency_codes"]
    parts = {"column": sql.Identifier("code"), "table": sql.Identifier("public", "currency")}
    assert faults(codes.format(**parts).as_bytes(None)) == []


@pytest.mark.parametrize("order", Order)
def test_a_list_of_the_pages_names_every_schema(order: Order) -> None:
    """In every order that a reader can choose."""
    assert faults(DiscrepancySearch(order=order).statement().as_bytes(None)) == []
