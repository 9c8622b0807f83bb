"""Several replicas that share several accounts."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable

import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import ACCOUNT
from tests.acceptance.service.conftest import HOUR_AGO, Daemon, ServiceInstallation

NAMES = ("eu", "jp", "uk", "us")
PERMISSIONS = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
LEASE_SECONDS = 3.0


def key_for(name: str) -> str:
    return f"rk_test_of{name}0000001"


def configure_accounts(
    installation: ServiceInstallation,
    *names: str,
    lease_seconds: float = LEASE_SECONDS,
    **changes: object,
) -> None:
    """Configure these accounts, with a payment in each whose webhook was lost."""
    installation.execute("ALTER TABLE payments ADD COLUMN shop text")
    for number, name in enumerate(names):
        account = ACCOUNT if number == 0 else f"acct_{name}"
        if number:
            installation.stripe.add_account(account)
        installation.stripe.add_key(key_for(name), account=account, permissions=list(PERMISSIONS))
        (installation.folder / f"{name}.key").write_text(key_for(name))
        add_lost_payment(installation, number, name, account)

    installation.configure_service(lease=f"{lease_seconds:.0f}s", **changes)
    installation.configure(
        payments={"account": "shop"},
        accounts=[{"name": name, "key_file": f"{name}.key"} for name in names],
    )
    del installation.environ["STRIPE_API_KEY"]


def add_lost_payment(
    installation: ServiceInstallation, number: int, name: str, account: str
) -> None:
    """Add a payment whose webhook was lost."""
    intent = installation.stripe.create_payment(1250, "eur", at=HOUR_AGO, account=account)
    installation.stripe.succeed(intent.id, at=HOUR_AGO)
    installation.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, shop)"
        f" VALUES ({number}, '{intent.id}', 'pending', 1250, 'eur', '{HOUR_AGO}', '{name}')"
    )


def holders(installation: ServiceInstallation) -> dict[str, int]:
    """The process that holds each account."""
    return {
        account: int(holder.split(":")[1])
        for account, holder in installation.query(
            "SELECT account, holder FROM reconciler.leases WHERE expires_at > clock_timestamp()"
        )
    }


def accounts_by_process(installation: ServiceInstallation) -> dict[int, int]:
    """How many accounts each process holds."""
    return dict(Counter(holders(installation).values()))


def wait_until(
    installation: ServiceInstallation, seconds: float, condition: Callable[[], bool]
) -> float:
    """Wait until a condition is true; returns how many seconds that took."""
    clock, pause = SystemClock(), installation.daemons[0].finished
    began = clock.monotonic()
    while not condition():
        assert clock.monotonic() - began < seconds, (
            holders(installation),
            installation.count_by_status(),
        )
        clock.wait(pause, 0.1)
    return clock.monotonic() - began


def held_by(installation: ServiceInstallation, **wanted: Daemon) -> Callable[[], bool]:
    pids = {name: daemon.process.pid for name, daemon in wanted.items()}
    return lambda: holders(installation) == pids


def test_replicas_share_the_accounts(installation: ServiceInstallation) -> None:
    """A replica started later gets its half of the accounts; if one dies, the other has all within two lease times."""
    configure_accounts(installation, *NAMES)
    first = installation.start()
    wait_until(
        installation, 30, lambda: accounts_by_process(installation) == {first.process.pid: 4}
    )
    wait_until(installation, 30, lambda: installation.count_by_status() == {"paid": 4})
    second = installation.start()
    even = {first.process.pid: 2, second.process.pid: 2}
    wait_until(installation, 30, lambda: accounts_by_process(installation) == even)
    held = holders(installation)
    epochs = installation.query("SELECT account, epoch FROM reconciler.leases ORDER BY 1")
    # accounts changed hands between sweeps: no sweep was broken off
    assert installation.query("SELECT count(*) FROM reconciler.sweeps WHERE NOT complete") == [(0,)]

    # equal shares stay with their replicas
    SystemClock().wait(first.finished, 2 * LEASE_SECONDS)
    assert holders(installation) == held
    assert installation.query("SELECT account, epoch FROM reconciler.leases ORDER BY 1") == epochs

    first.end(signal.SIGKILL)
    took = wait_until(
        installation, 30, lambda: accounts_by_process(installation) == {second.process.pid: 4}
    )
    assert took < 2 * LEASE_SECONDS
    assert installation.run("verify")[0] == 0
    assert second.end() == 0


def test_three_replicas_share_four_accounts(installation: ServiceInstallation) -> None:
    """They hold 2, 1 and 1; after a clean stop of one the others have its accounts at once."""
    configure_accounts(installation, *NAMES, lease_seconds=6)
    group = [installation.start() for _ in range(3)]
    pids = [daemon.process.pid for daemon in group]
    wait_until(
        installation, 40, lambda: sorted(accounts_by_process(installation).values()) == [1, 1, 2]
    )
    assert set(holders(installation).values()) == set(pids)

    victim = group.pop()
    assert victim.end() == 0

    took = wait_until(
        installation,
        30,
        lambda: accounts_by_process(installation) == {daemon.process.pid: 2 for daemon in group},
    )
    assert took < 6
    assert installation.run("verify")[0] == 0


def test_one_account_stays_with_one_replica(installation: ServiceInstallation) -> None:
    """There is nothing to share: the second replica stands by, and the first is not disturbed."""
    installation.configure_service(lease="3s")
    first = installation.start()
    first.wait_for("lease.taken")
    second = installation.start()
    second.wait_for("service.ready")
    pid = first.process.pid
    SystemClock().wait(first.finished, 2 * LEASE_SECONDS)
    assert installation.query(
        "SELECT split_part(holder, ':', 2)::int, epoch FROM reconciler.leases"
    ) == [(pid, 1)]
    assert not any('"lease.taken"' in line for line in second.lines)
    assert first.end() == 0

    second.wait_for("lease.taken", seconds=2 * LEASE_SECONDS)
    assert second.end() == 0


@pytest.mark.parametrize("recovers", [False, True])
def test_a_replica_that_cannot_work_gives_the_account_away(
    installation: ServiceInstallation, recovers: bool
) -> None:
    """A replica with a refused key gives the account to one with a valid key, and does not take it back. If no other lives,
    it keeps the account, says what is wrong, and recovers."""
    configure_accounts(installation, "eu", due="1s")
    first = installation.start()
    first.wait_for("sweep.finished", job="due", complete=True)
    another = "rk_test_another0000001"
    installation.stripe.add_key(another, account=ACCOUNT, permissions=list(PERMISSIONS))
    installation.stripe.revoke_key(key_for("eu"))
    # only a read shows that the key is revoked
    add_lost_payment(installation, 100, "eu", ACCOUNT)
    first.wait_for("sweep.finished", job="due", complete=False)
    SystemClock().wait(first.finished, LEASE_SECONDS)
    assert holders(installation) == {"eu": first.process.pid}
    assert installation.query("SELECT needs_person FROM reconciler.services") == [(True,)]

    if recovers:
        installation.stripe.add_key(key_for("eu"), account=ACCOUNT, permissions=list(PERMISSIONS))
        first.wait_for("sweep.finished", job="due", complete=True)
        wait_until(
            installation,
            10,
            lambda: (
                installation.query("SELECT needs_person FROM reconciler.services") == [(False,)]
            ),
        )
        assert first.end() == 0

        return
    (installation.folder / "eu.key").write_text(another)
    second = installation.start()
    wait_until(installation, 30, held_by(installation, eu=second))
    assert first.wait_for("lease.given")["why"]

    SystemClock().wait(first.finished, 2 * LEASE_SECONDS)
    assert held_by(installation, eu=second)()
    assert installation.query("SELECT needs_person FROM reconciler.services") == [(False,)]

    # a replica that may fail is better than none
    second.end(signal.SIGKILL)
    wait_until(installation, 2 * LEASE_SECONDS, held_by(installation, eu=first))
    assert first.end() == 0
