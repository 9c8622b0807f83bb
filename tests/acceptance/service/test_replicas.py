"""Several replicas, several accounts."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable

import pytest

from reconciler.clock import SystemClock
from reconciler.sandbox import ACCOUNT
from tests.acceptance.service.conftest import HOUR_AGO, Daemon, Town

NAMES = ("eu", "jp", "uk", "us")
NEEDED = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
LEASE = 3.0


def key_of(name: str) -> str:
    return f"rk_test_of{name}0000001"


def open_accounts(town: Town, *names: str, lease: float = LEASE, **changes: object) -> None:
    """A pending payment of each account that Stripe calls paid."""
    town.execute("ALTER TABLE payments ADD COLUMN shop text")
    more = ""
    for number, name in enumerate(names):
        account = ACCOUNT if number == 0 else f"acct_{name}"
        if number:
            town.stripe.add_account(account)
        town.stripe.add_key(key_of(name), account=account, permissions=list(NEEDED))
        (town.config.parent / f"{name}.key").write_text(key_of(name))
        more += f'\n[[accounts]]\nname = "{name}"\nkey_file = "{name}.key"\n'
        lose(town, number, name, account)
    town.configure(lease=f"{lease:.0f}s", **changes)
    text = town.config.read_text().replace("[payments]", '[payments]\naccount = "shop"')
    town.config.write_text(text + more)
    del town.environ["STRIPE_API_KEY"]


def lose(town: Town, number: int, name: str, account: str) -> None:
    """A payment whose webhook is lost."""
    intent = town.stripe.create_payment(1250, "eur", at=HOUR_AGO, account=account)
    town.stripe.succeed(intent.id, at=HOUR_AGO)
    town.execute(
        "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, shop)"
        f" VALUES ({number}, '{intent.id}', 'pending', 1250, 'eur', '{HOUR_AGO}', '{name}')"
    )


def holders(town: Town) -> dict[str, int]:
    """Which process holds each account."""
    return {
        account: int(holder.split(":")[1])
        for account, holder in town.ask(
            "SELECT account, holder FROM reconciler.leases WHERE expires_at > clock_timestamp()"
        )
    }


def shares(town: Town) -> dict[int, int]:
    """How many accounts each process holds."""
    return dict(Counter(holders(town).values()))


def comes_true(town: Town, seconds: float, holds: Callable[[], bool]) -> float:
    """Look until it holds; after how many seconds."""
    clock, pause = SystemClock(), town.daemons[0].finished
    began = clock.monotonic()
    while not holds():
        assert clock.monotonic() - began < seconds, (holders(town), town.statuses())
        clock.wait(pause, 0.1)
    return clock.monotonic() - began


def is_held_by(town: Town, **wanted: Daemon) -> Callable[[], bool]:
    pids = {name: daemon.process.pid for name, daemon in wanted.items()}
    return lambda: holders(town) == pids


def test_replicas_share_the_accounts(town: Town) -> None:
    """One that is started later gets its half; when one dies, the other has all again within two lease times."""
    open_accounts(town, *NAMES)
    first = town.start()
    comes_true(town, 30, lambda: shares(town) == {first.process.pid: 4})
    comes_true(town, 30, lambda: town.statuses() == {"paid": 4})
    second = town.start()
    even = {first.process.pid: 2, second.process.pid: 2}
    comes_true(town, 30, lambda: shares(town) == even)
    held = holders(town)
    epochs = town.ask("SELECT account, epoch FROM reconciler.leases ORDER BY 1")
    # accounts went over between sweeps: none was broken off
    assert town.ask("SELECT count(*) FROM reconciler.sweeps WHERE NOT complete") == [(0,)]
    # equal shares stay where they are
    SystemClock().wait(first.finished, 2 * LEASE)
    assert holders(town) == held
    assert town.ask("SELECT account, epoch FROM reconciler.leases ORDER BY 1") == epochs
    first.end(signal.SIGKILL)
    took = comes_true(town, 30, lambda: shares(town) == {second.process.pid: 4})
    assert took < 2 * LEASE
    assert town.run("verify")[0] == 0
    assert second.end() == 0


def test_three_replicas(town: Town) -> None:
    """Four accounts among three are 2, 1 and 1; after a clean stop the others have its accounts at once."""
    open_accounts(town, *NAMES, lease=6)
    group = [town.start() for _ in range(3)]
    pids = [daemon.process.pid for daemon in group]
    comes_true(town, 40, lambda: sorted(shares(town).values()) == [1, 1, 2])
    assert set(holders(town).values()) == set(pids)
    victim = group.pop()
    assert victim.end() == 0
    took = comes_true(town, 30, lambda: shares(town) == {daemon.process.pid: 2 for daemon in group})
    assert took < 6
    assert town.run("verify")[0] == 0


def test_one_account_has_one_process(town: Town) -> None:
    """There is nothing to share: the second stands by, and the first goes on undisturbed."""
    town.configure(lease="3s")
    first = town.start()
    first.event("lease.taken")
    second = town.start()
    second.event("service.ready")
    pid = first.process.pid
    SystemClock().wait(first.finished, 2 * LEASE)
    assert town.ask("SELECT split_part(holder, ':', 2)::int, epoch FROM reconciler.leases") == [
        (pid, 1)
    ]
    assert not any('"lease.taken"' in line for line in second.lines)
    assert first.end() == 0
    second.event("lease.taken", seconds=2 * LEASE)
    assert second.end() == 0


@pytest.mark.parametrize("mended", [False, True])
def test_one_that_cannot_work_is_not_counted_on(town: Town, mended: bool) -> None:
    """A replica whose key was refused gives the account to one whose key is not, and does not take it back; where
    nobody else is alive it keeps it, says what is wrong, and mends itself."""
    open_accounts(town, "eu", due="1s")
    first = town.start()
    first.event("pass.finished", job="due", complete=True)
    another = "rk_test_another0000001"
    town.stripe.add_key(another, account=ACCOUNT, permissions=list(NEEDED))
    town.stripe.revoke_key(key_of("eu"))
    # only a read meets it
    lose(town, 100, "eu", ACCOUNT)
    first.event("pass.finished", job="due", complete=False)
    SystemClock().wait(first.finished, LEASE)
    assert holders(town) == {"eu": first.process.pid}
    assert town.ask("SELECT needs_person FROM reconciler.services") == [(True,)]
    if mended:
        town.stripe.add_key(key_of("eu"), account=ACCOUNT, permissions=list(NEEDED))
        first.event("pass.finished", job="due", complete=True)
        comes_true(
            town,
            10,
            lambda: town.ask("SELECT needs_person FROM reconciler.services") == [(False,)],
        )
        assert first.end() == 0
        return
    (town.config.parent / "eu.key").write_text(another)
    second = town.start()
    comes_true(town, 30, is_held_by(town, eu=second))
    assert first.event("lease.given")["why"]
    SystemClock().wait(first.finished, 2 * LEASE)
    assert is_held_by(town, eu=second)()
    assert town.ask("SELECT needs_person FROM reconciler.services") == [(False,)]
    # better one that may fail than none
    second.end(signal.SIGKILL)
    comes_true(town, 2 * LEASE, is_held_by(town, eu=first))
    assert first.end() == 0
