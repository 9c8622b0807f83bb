"""A [payments] where that leaves out every row: no sweep would examine anything, and none would say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.entrypoints.doctor.doctor_check import CheckLevel
from reconciler.entrypoints.doctor.where_check import where_checks
from reconciler.errors import DatabaseBusyError


@pytest.fixture
def two_rows(shop):
    made = shop()
    for n in (1, 2):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    return made


def checks_of(made, where: str | None):
    with Database(made.url) as database:
        found = inspect(database, replace(made.mapping, where=where), writes=False)
        return list(where_checks("table", database, found.table))


def test_a_condition_that_is_true_for_no_row_is_warned_of(two_rows):
    """The warning has the key, the text and the number of rows; NULL is not true either."""
    for where in ("status LIKE 'pend%x'", "NULL::boolean"):
        (check,) = checks_of(two_rows, where)
        assert check.level is CheckLevel.WARNING
        assert f"[payments] where {where!r} is true for no row" in check.what
        assert "2 rows" in check.what


@pytest.mark.parametrize("where", [None, "t.id = 2"])
def test_a_condition_that_is_true_for_a_row_is_not(two_rows, where):
    """Nor is a mapping without a condition."""
    assert checks_of(two_rows, where) == []


def test_an_empty_table_is_not_warned_of(shop):
    """It leaves nothing out."""
    assert checks_of(shop(), "false") == []


def test_a_count_that_takes_too_long_is_skipped(two_rows, monkeypatch):
    """The doctor says that it does not know, and goes on."""
    busy = DatabaseBusyError("the count took too long.", "Try again.")

    def too_slow(self, doing):
        raise busy

    with Database(two_rows.url) as database:
        found = inspect(database, replace(two_rows.mapping, where="false"), writes=False)
        monkeypatch.setattr(Database, "counting", too_slow)
        (check,) = where_checks("table", database, found.table)
    assert check.level is CheckLevel.SKIPPED
    assert "payments.where" in check.what
