"""A page costs three round trips and COMMIT, however much it stores."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.model.intent import Event
from reconciler.domain.model.page import PageRecord
from reconciler.domain.model.recheck import Recheck


@contextmanager
def traced(connection, path):
    """Write libpq's own trace of the messages on a connection to a file."""
    with path.open("wb") as file:
        connection.pgconn.trace(file.fileno())
        yield
        connection.pgconn.untrace()


def trips(path) -> int:
    """How often the client waits for an answer: at each Sync and Query, and at a Flush that follows no Sync."""
    sent = [line.split("\t") for line in path.read_text().splitlines()]
    kinds = [fields[3] for fields in sent if len(fields) > 3 and fields[1] == "F"]
    waits = [
        kind in {"Sync", "Query"} or (kind == "Flush" and before != "Sync")
        for before, kind in zip(["", *kinds], kinds, strict=False)
    ]
    return sum(waits)


@pytest.fixture
def table(shop, bench):
    made = shop(columns={"order": ("order_id", "text")})
    for n in range(1, 51):
        made.insert(key=n, payment_intent=f"pi_{n}", status="pending", order=f"o{n % 7}")
    made.execute(f"CREATE INDEX ON {made.mapping.table} ({made.mapping.payment_intent})")
    made.execute(f"CREATE INDEX ON {made.mapping.table} ({made.mapping.order})")
    return bench(made)


def test_the_trace_counts_round_trips(table, tmp_path):
    """The measure itself: three statements one after another are three round trips, in a pipeline they are one."""
    with table.database.connection("counting") as connection:
        with traced(connection, tmp_path / "three"):
            for _ in range(3):
                connection.execute("SELECT 1")
        with traced(connection, tmp_path / "one"), connection.pipeline():
            for _ in range(3):
                connection.execute("SELECT 1")
    assert (trips(tmp_path / "three"), trips(tmp_path / "one")) == (3, 1)


def test_a_page_is_three_round_trips_and_commit(
    table, tmp_path, make_correction, make_update, make_finding, seen
):
    """load 1, read_again 1 (with BEGIN and the timeouts), write 1, COMMIT 1: for the first page and for the tenth.

    The table has the indexes that doctor asks for. Without one on the intent, a load waits for the rows before it
    asks for the paid rows of their orders: one round trip more, and one scan of the table less.
    """
    intents = [f"pi_{n}" for n in range(1, 51)]
    with table.database.connection("finding the connection") as connection:
        pass  # the pool has one and gives the same one again
    for page_number in range(10):
        part = intents[page_number * 5 : page_number * 5 + 5]
        name = f"page_{page_number}"
        with traced(connection, tmp_path / f"{name}_load"):
            table.store.load(part, ["o1", "o2"])
        with (
            traced(connection, tmp_path / f"{name}_rest"),
            table.store.transaction(table.epoch) as page,
        ):
            rows = page.read_again(part, [], lock=True).payments
            page.write(
                PageRecord(
                    writes=tuple(make_correction(row) for row in rows),
                    updates=tuple(
                        make_update(make_finding(row.payment_intent), state=State.CORRECTED)
                        for row in rows
                    ),
                    rechecks=(Recheck(f"pi_x{page_number}", seen, "grace"),),
                    settled=(f"pi_x{page_number - 1}",),
                    events=(Event(f"evt_{page_number}", "payment_intent.succeeded", seen, "pi_1"),),
                    drafts=(Draft(Action.FINDING_OPENED, {}),),
                    seen_at=seen,
                )
            )
        assert trips(tmp_path / f"{name}_load") == 1
        assert trips(tmp_path / f"{name}_rest") == 3  # read again, write, COMMIT


def test_without_an_index_a_load_is_two_round_trips(shop, bench, tmp_path):
    """The second one asks by the orders of the rows, so that the rows are not looked for by another scan."""
    made = shop(columns={"order": ("order_id", "text")})
    made.insert(key=1, payment_intent="pi_1", status="pending", order="o1")
    table = bench(made)
    with table.database.connection("finding the connection") as connection:
        pass
    with traced(connection, tmp_path / "load"):
        table.store.load(["pi_1"], ["o1"])
    assert trips(tmp_path / "load") == 2


def test_a_lease_is_renewed_in_two_round_trips(table, tmp_path):
    """The statement costs one, and COMMIT one."""
    with table.database.connection("finding the connection") as connection:
        pass
    with traced(connection, tmp_path / "renew"):
        assert table.leases.renew("bench", table.epoch, 60)
    assert trips(tmp_path / "renew") == 2
