"""One process at a time works on an account, by the database's clock."""

from __future__ import annotations

import threading

import pytest

from reconciler.adapters.postgres.coordination.lease_store import PostgresLeaseStore
from reconciler.adapters.postgres.database import Database


@pytest.fixture
def opened(database):
    with Database(database) as found:
        yield found


def expire(database) -> None:
    with database.connection("testing") as connection:
        connection.execute(
            "UPDATE reconciler.leases SET expires_at = clock_timestamp() - interval '1 s'"
        )


def test_a_lease_is_held_by_one(opened):
    """While it lasts no other process gets it, not even one of the same name; another account's is free."""
    leases = PostgresLeaseStore(opened, "default")
    assert leases.holder() is None
    assert leases.acquire("one", 60) == 1
    assert leases.acquire("two", 60) is None
    assert leases.acquire("one", 60) is None
    assert leases.holder() == "one"
    assert PostgresLeaseStore(opened, "other").acquire("two", 60) == 1


def test_the_epoch_grows_with_each_takeover(opened):
    """After a release or an expiry the next holder has a higher epoch, never an old one."""
    leases = PostgresLeaseStore(opened, "default")
    epochs = []
    for holder in ("one", "two", "one"):
        epochs.append(leases.acquire(holder, 60))
        leases.release(holder, epochs[-1])
        assert leases.holder() is None
    epochs.append(leases.acquire("one", 60))
    expire(opened)
    assert leases.holder() is None
    epochs.append(leases.acquire("two", 60))
    assert epochs == [1, 2, 3, 4, 5]


def test_only_the_holder_renews_and_releases(opened):
    """Another name, another epoch or an expired lease renews nothing and releases nothing."""
    leases = PostgresLeaseStore(opened, "default")
    epoch = leases.acquire("one", 60)
    assert leases.renew("one", epoch, 60)
    assert not leases.renew("two", epoch, 60)
    assert not leases.renew("one", epoch + 1, 60)
    leases.release("two", epoch)
    leases.release("one", epoch + 1)
    assert leases.holder() == "one"
    expire(opened)
    assert not leases.renew("one", epoch, 60)


def test_renewing_extends_by_the_databases_clock(opened):
    """The new end counts from now."""
    leases = PostgresLeaseStore(opened, "default")
    epoch = leases.acquire("one", 1)
    assert leases.renew("one", epoch, 300.5)
    with opened.connection("testing") as connection:
        [left] = connection.execute(
            "SELECT extract(epoch FROM expires_at - clock_timestamp())::float FROM reconciler.leases"
        ).fetchone()
    assert 295 < left <= 300.5


def test_of_four_processes_one_gets_the_lease(opened):
    """Four ask for a free lease at the same moment: one gets it."""
    leases = PostgresLeaseStore(opened, "default")
    start = threading.Barrier(4)
    got: list[int | None] = []

    def ask(name: str) -> None:
        start.wait()
        got.append(leases.acquire(name, 60))

    threads = [threading.Thread(target=ask, args=(f"p{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got, key=str) == [1, None, None, None]
