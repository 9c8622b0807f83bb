"""Replicas and guests, by the database's clock."""

from __future__ import annotations

import threading

import pytest

from reconciler.adapters.postgres.coordination.lease_store import (
    PostgresLeaseStore,
    PostgresReservedShare,
)
from reconciler.adapters.postgres.coordination.replicas import PostgresReplicas
from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.migration import migrate


@pytest.fixture
def opened(database):
    with Database(database) as found:
        yield found


def run(database, query: str) -> None:
    with database.connection("testing") as connection:
        connection.execute(query)


def test_who_is_alive_is_seen(opened):
    """Each sees the others with what they are able to work on, and who holds the lease; the dead are seen no more."""
    one, two = PostgresReplicas(opened, "one"), PostgresReplicas(opened, "two")
    one.renew(["eu", "us"], [], 60)
    PostgresLeaseStore(opened, "us").acquire("one", 60)
    seen = two.renew(["eu"], ["us"], 60)
    assert seen.holders == {"eu": None, "us": "one"}
    assert seen.eligible == {"eu": {"one", "two"}, "us": {"one"}}
    run(opened, "UPDATE reconciler.replicas SET expires_at = now() WHERE replica = 'one'")
    run(opened, "UPDATE reconciler.leases SET expires_at = now()")
    seen = two.renew(["eu"], ["us"], 60)
    assert (seen.holders, seen.eligible["us"]) == ({"eu": None, "us": None}, frozenset())
    two.withdraw(["eu", "us"])
    assert one.renew([], ["eu"], 60).eligible["eu"] == frozenset()


def test_accounts_of_others_are_seen_too(opened):
    """Who works on accounts that we do not know has that much less room for ours."""
    PostgresReplicas(opened, "one").renew(["eu", "us", "jp"], [], 60)
    PostgresLeaseStore(opened, "jp").acquire("one", 60)
    seen = PostgresReplicas(opened, "two").renew(["eu"], [], 60)
    assert (seen.holders["jp"], seen.eligible["us"]) == ("one", {"one"})


def test_dead_rows_are_tidied(opened):
    """An hour after its end a replica's row goes."""
    PostgresReplicas(opened, "one").renew(["eu", "us"], [], 60)
    run(
        opened,
        "UPDATE reconciler.replicas SET expires_at = now() - interval '2 hours' WHERE account = 'eu'",
    )
    assert PostgresServiceRecord(opened, "us").delete_old_rows() == 0
    assert PostgresServiceRecord(opened, "eu").delete_old_rows() == 1


def test_what_the_last_holder_sent_is_known_for_a_second(opened):
    """Only for so long does it count at Stripe."""
    leases = PostgresLeaseStore(opened, "eu")
    assert leases.last_second() == 0
    epoch = leases.acquire("one", 60)
    leases.release("one", epoch, 12)
    assert leases.last_second() == 12
    leases.acquire("two", 60)
    assert leases.last_second() == 12
    run(opened, "UPDATE reconciler.leases SET ended_at = now() - interval '1.1 s'")
    assert leases.last_second() == 0


def test_one_guest_at_a_time(opened):
    """A holder sees that somebody reads beside it; a second guest waits for the first."""
    book = PostgresReservedShare(opened, "eu", readable=True)
    watcher = PostgresReplicas(opened, "one")
    assert watcher.reserved_shares(["eu", "us"]) == frozenset()
    entered, may_leave = threading.Event(), threading.Event()

    def first() -> None:
        with book.entered():
            entered.set()
            may_leave.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(20)
    assert watcher.reserved_shares(["eu", "us"]) == {"eu"}
    left = threading.Event()

    def second() -> None:
        with book.entered():
            left.set()

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not left.wait(0.2)
    may_leave.set()
    assert left.wait(20)
    for one in (thread, waiting):
        one.join(20)
    assert watcher.reserved_shares(["eu"]) == frozenset()


def test_a_guest_learns_that_the_account_is_held(opened):
    """Then it waits for room; where it may not look at our schema it cannot know."""
    PostgresLeaseStore(opened, "eu").acquire("one", 60)
    for readable in (True, False):
        with PostgresReservedShare(opened, "eu", readable=readable).entered() as beside:
            assert beside is readable


def test_the_daemons_role_is_enough(database, role):
    """What migrate grants lets a replica share, tidy and leave."""
    daemon, as_daemon = role("daemon")
    migrate(database, daemon_role=daemon, auditor_role=None)
    with Database(as_daemon(database)) as connected:
        replicas = PostgresReplicas(connected, "one")
        replicas.renew(["eu"], ["us"], 60)
        assert replicas.reserved_shares(["eu"]) == frozenset()
        replicas.withdraw(["eu"])
        leases = PostgresLeaseStore(connected, "eu")
        leases.release("one", leases.acquire("one", 60), 3)
        assert leases.last_second() == 3
