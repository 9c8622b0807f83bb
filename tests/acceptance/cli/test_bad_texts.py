"""A wrong SQL text ends the start: exit 78 with the key, the text and a hint, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.cli.conftest import CONFIGURATION, Town

MakeRole = Callable[[str], tuple[str, Callable[[str], str]]]

KEYS = {
    "amount": 'amount = "amount"',
    "currency": 'currency = "currency"',
    "status": 'status = "status"',
}
TEXTS: dict[str, tuple[str, str, str]] = {
    "a syntax error": ("amount", "t.amount +", "no SQL expression"),
    "a semicolon": ("amount", "t.amount; DROP TABLE payments", "semicolon"),
    "a write": ("amount", "(WITH x AS (DELETE FROM payments RETURNING 1) SELECT 1)", "only read"),
    "a function that writes": ("amount", "public.charge(t.id)", "charge()"),
    "a volatile function": ("amount", "(t.amount + random())::int", "random()"),
    "a table without privilege": ("currency", "(SELECT c.code FROM codes c LIMIT 1)", "codes"),
    "a subselect with two rows": (
        "currency",
        "(SELECT x FROM unnest(ARRAY['eur', 'usd']) x)",
        "Card",
    ),
    "a cast that fails": ("amount", "t.status::int", "InvalidTextRepresentation"),
    "a status without set": ("status", "lower(t.status)", "[payments.write]"),
}
SETS: dict[str, tuple[str, str, str]] = {
    "a generated column": ("doubled", "1", "PostgreSQL generates this column"),
    "a column that the role may not write": (
        "locked",
        '{ sql = "upper(t.status)" }',
        "may not write",
    ),
    "a volatile function": ("note", '{ sql = "random()::text" }', "random()"),
    "a syntax error": ("note", '{ sql = "t.status ||" }', "no SQL expression"),
}


CONDITIONS = (
    "NOT",
    "random() < 0.5",
    "true; true",
    "t.status::int > 0",
    "EXISTS (SELECT FROM codes)",
)
UPDATE = '[corrections]\nmode = "update"\n'


@pytest.fixture
def limited(town: Town, role: MakeRole) -> Town:
    """A shop with one payment to correct. The role may read the table and write a status and one other column."""
    name, as_role = role("daemon")
    town.pay(1)
    town.run("migrate", "--daemon-role", name)
    town.shop.execute(
        "ALTER TABLE public.payments ADD note text, ADD locked text,"
        " ADD doubled int GENERATED ALWAYS AS (2 * amount) STORED;"
        "CREATE TABLE public.codes (code text);"
        "CREATE FUNCTION public.charge(bigint) RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';"
        f"GRANT SELECT ON public.payments TO {name};"
        f"GRANT UPDATE (status, updated_at, note) ON public.payments TO {name}"
    )
    town.environ["DATABASE_URL"] = as_role(town.shop.url)
    return town


def assert_refused(town: Town, case: str, *said: str) -> None:
    """The sweep and the doctor end with 78, and the message says all of this."""
    answer = town.run("sweep", "--apply")
    assert answer.code == 78, (case, answer.out, answer.err)
    message = " ".join(answer.err.split())
    for text in said:
        assert text in message, (case, message)
    assert "hint: " in answer.err, case
    assert town.run("doctor").code == 78, case
    assert town.statuses() == {"1": "pending"}, case


def test_a_wrong_text_names_key_and_text(limited: Town) -> None:
    """In the place of a column and as the condition."""
    for case, (key, text, said) in TEXTS.items():
        changed = CONFIGURATION.replace(KEYS[key], f'{key} = {{ sql = "{text}" }}')
        limited.configure(UPDATE, text=changed)
        assert_refused(limited, case, said, text)
    for where in CONDITIONS:
        changed = CONFIGURATION.replace("[payments.read]", f'where = "{where}"\n[payments.read]')
        limited.configure(UPDATE, text=changed)
        assert_refused(limited, where, "payments", where)


def test_a_wrong_set_names_column_and_text(limited: Town) -> None:
    """What a correction writes besides the status."""
    for case, (column, value, said) in SETS.items():
        limited.configure(f"[payments.set.succeeded]\n{column} = {value}\n{UPDATE}")
        assert_refused(limited, case, said, column)


def test_a_percent_sign_is_a_character(limited: Town) -> None:
    """It is no parameter: a text with LIKE finds, reads and writes the row."""
    limited.configure(
        text=CONFIGURATION.replace(
            "[payments.read]", "where = \"t.status LIKE 'p%'\"\n[payments.read]"
        ).replace(
            KEYS["currency"], "currency = { sql = \"CASE WHEN t.status LIKE '%%' THEN 'eur' END\" }"
        )
        + "[payments.set.succeeded]\nnote = { sql = \"CASE WHEN t.status LIKE 'p%' THEN '100%' END\" }\n"
    )
    assert limited.run("sweep", "--apply").code == 0
    assert limited.statuses() == {"1": "paid"}
    assert limited.ask("SELECT note FROM payments") == [("100%",)]
