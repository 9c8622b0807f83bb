"""SQL texts of a configuration: which ones are one expression, and what they call."""

from __future__ import annotations

import pytest

from reconciler.sql_expressions import (
    LONGEST,
    called_functions,
    expression_fault,
    has_subselect,
    without_row_name,
)


@pytest.mark.parametrize(
    "text",
    [
        "t.data->>'id'",
        "(SELECT c.code FROM currency c WHERE c.id = t.currency_id)",
        "CASE WHEN t.state = 'x;y' THEN 'a--b' ELSE t.state END",
        "(t.payload #>> '{a,b}')::numeric * 100 % 7",
        "to_timestamp(t.created) AT TIME ZONE 'UTC'",
        "EXISTS (SELECT 1 FROM refunds r WHERE r.payment_id = t.id)",
        't."Odd ) name"',
        "now()",
        "NULL",
        "jsonb_path_query_first(t.d, '$.a')",
    ],
)
def test_one_expression_is_taken(text: str) -> None:
    """Everything that PostgreSQL takes as one value of a row."""
    assert expression_fault(text) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("t.a; t.b", "semicolon"),
        ("t.a -- all", "comment"),
        ("t.a = 'b", "open quote"),
        ("t.a) OR (true", "do not match"),
        ("t.a || E'b\\\\' || 'c'", "backslash"),
        ("t.a =", "no SQL expression"),
        ("1, 2", "no SQL expression"),
        ("t.a FROM payments", "no SQL expression"),
        ("SELECT 1", "is a statement"),
        ("t.a AS b", "one SQL expression"),
        ("*", "one SQL expression"),
        ("DELETE FROM payments", "only read"),
        ("DROP TABLE payments", "only read"),
        ("(WITH a AS (DELETE FROM payments RETURNING id) SELECT id FROM a)", "only read"),
        ("UPDATE payments SET a = 1", "only read"),
        ("(" * 3000 + "1" + ")" * 3000, "nested too deep"),
        ("t.a" * LONGEST, "longer than"),
    ],
)
def test_anything_else_is_a_fault(text: str, said: str) -> None:
    """A second statement, a write, a part that is hidden, or no expression at all."""
    fault = expression_fault(text)
    assert fault is not None
    assert said in fault


def test_called_functions_are_named_as_postgresql_folds_them() -> None:
    """Their volatility is looked up under these names."""
    text = 'lower(t.a) || My.F(t.b) || "Odd"(t.c) || (SELECT max(x) FROM y)'
    called = called_functions(text)
    assert {(None, "lower"), ("my", "f"), (None, "Odd"), (None, "max")} <= set(called)


def test_an_index_takes_the_expression_without_the_name_of_the_row() -> None:
    """CREATE INDEX knows no name for the row."""
    assert without_row_name("lower(t.data->>'t.id') || t.\"T\" || x.t.y") == (
        "lower(data->>'t.id') || \"T\" || x.t.y"
    )
    assert has_subselect("(SELECT 1)")
    assert not has_subselect("'select'")
