"""The doctor's tried writes: they are the writes of a sweep, with the columns of [payments.set]."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.inspection import inspect
from reconciler.adapters.postgres.page.write_probe import try_writes
from reconciler.domain.model.payment import AccountRows, SqlText
from reconciler.domain.outcome import Outcome
from reconciler.entrypoints.doctor.doctor_check import CheckLevel
from reconciler.entrypoints.doctor.tried_writes import write_checks

ACCOUNTS = (AccountRows("default"),)


@pytest.fixture
def noted(shop):
    """Two rows that could be corrected, in a table that takes notes of up to four characters."""
    made = shop()
    made.execute("ALTER TABLE payments ADD note text CONSTRAINT short CHECK (length(note) < 5)")
    for n in (1, 2):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending")
    return made


def inspected(database: Database, made, **changes: object):
    found = inspect(database, replace(made.mapping, **changes), writes=True)
    assert found.faults == ()
    return found


SETS = [("paid", None), ("too long", "short"), (SqlText("repeat('x', t.id::int + 3)"), "short")]


@pytest.mark.parametrize(("value", "constraint"), SETS)
def test_the_columns_of_set_are_tried_too(noted, value, constraint):
    """A rule about such a column is known before the first sweep, and no row keeps what was tried."""
    with Database(noted.url) as database:
        table = inspected(database, noted, set={Outcome.SUCCEEDED: {"note": value}}).table
        tried = {one.outcome: one for one in try_writes(database, table, ACCOUNTS)}
        with database.snapshot("reading the notes") as connection:
            noted_now = connection.execute("SELECT note FROM payments").fetchall()
    refused = tried[Outcome.SUCCEEDED].refused
    assert tried[Outcome.SUCCEEDED].tried == 2
    assert {one.constraint for one in refused} == ({constraint} if constraint else set())
    assert noted_now == [(None,), (None,)]


def test_a_status_that_is_an_sql_text_is_tried_by_its_columns(noted):
    """Only the columns change what the text gives, so that without them every row would seem to be refused."""
    text = SqlText("CASE WHEN t.note = 'paid' THEN 'paid' ELSE t.status END")
    write = {Outcome.SUCCEEDED: "paid"}
    statuses = replace(noted.mapping.statuses, write=write)
    sets = {Outcome.SUCCEEDED: {"note": "paid"}}
    with Database(noted.url) as database:
        table = inspected(database, noted, status=text, statuses=statuses, set=sets).table
        (tried,) = try_writes(database, table, ACCOUNTS)
    assert (tried.tried, tried.refused) == (2, ())


def test_the_check_names_the_columns_of_set(noted):
    """The message has the key and the columns, and whose rule refuses them."""
    with Database(noted.url) as database:
        found = inspected(database, noted, set={Outcome.SUCCEEDED: {"note": "too long"}})
        checks = list(write_checks("table", database, found, ACCOUNTS, probe=False))
    (fault,) = (check for check in checks if check.level is CheckLevel.FAULT)
    assert 'the write of "paid" and of note ([payments.set.succeeded])' in fault.what
    assert "by short for 2 of 2" in fault.what
