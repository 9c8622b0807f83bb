"""Replicas that share the accounts, and processes that read beside a holder, by the database's clock."""

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


def test_each_replica_sees_the_live_ones(opened):
    """Each sees the others, the accounts they are eligible for, and who holds the leases; a dead one is not seen."""
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


def test_accounts_of_other_services_are_seen_too(opened):
    """A replica also sees accounts that only others have: they count as load of those replicas."""
    PostgresReplicas(opened, "one").renew(["eu", "us", "jp"], [], 60)
    PostgresLeaseStore(opened, "jp").acquire("one", 60)
    seen = PostgresReplicas(opened, "two").renew(["eu"], [], 60)
    assert (seen.holders["jp"], seen.eligible["us"]) == ("one", {"one"})


def test_rows_of_dead_replicas_are_deleted(opened):
    """A replica's row is deleted an hour after it expired."""
    PostgresReplicas(opened, "one").renew(["eu", "us"], [], 60)
    run(
        opened,
        "UPDATE reconciler.replicas SET expires_at = now() - interval '2 hours' WHERE account = 'eu'",
    )
    assert PostgresServiceRecord(opened, "us").delete_old_rows() == 0
    assert PostgresServiceRecord(opened, "eu").delete_old_rows() == 1


def test_the_last_holders_reads_are_known_for_a_second(opened):
    """Stripe counts them for no longer."""
    leases = PostgresLeaseStore(opened, "eu")
    assert leases.last_second() == 0
    epoch = leases.acquire("one", 60)
    leases.release("one", epoch, 12)
    assert leases.last_second() == 12
    leases.acquire("two", 60)
    assert leases.last_second() == 12
    run(opened, "UPDATE reconciler.leases SET ended_at = now() - interval '1.1 s'")
    assert leases.last_second() == 0


def test_one_process_at_a_time_reads_beside_the_holder(opened):
    """The holder sees that a process reads beside it; a second process waits for the first."""
    share = PostgresReservedShare(opened, "eu", readable=True)
    watcher = PostgresReplicas(opened, "one")
    assert watcher.reserved_shares(["eu", "us"]) == frozenset()
    entered, may_leave = threading.Event(), threading.Event()

    def first() -> None:
        with share.entered():
            entered.set()
            may_leave.wait(20)

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(20)
    assert watcher.reserved_shares(["eu", "us"]) == {"eu"}
    left = threading.Event()

    def second() -> None:
        with share.entered():
            left.set()

    waiting = threading.Thread(target=second)
    waiting.start()
    assert not left.wait(0.2)
    may_leave.set()
    assert left.wait(20)
    for one in (thread, waiting):
        one.join(20)
    assert watcher.reserved_shares(["eu"]) == frozenset()


def test_a_process_beside_the_holder_learns_that_the_account_is_held(opened):
    """A role that may not read the schema cannot know it."""
    PostgresLeaseStore(opened, "eu").acquire("one", 60)
    for readable in (True, False):
        with PostgresReservedShare(opened, "eu", readable=readable).entered() as beside:
            assert beside is readable


def test_the_daemons_role_is_enough(database, role):
    """The grants of migrate are enough for everything that a replica does."""
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
