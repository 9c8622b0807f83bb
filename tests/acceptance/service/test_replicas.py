"""Several replicas, several accounts."""

from __future__ import annotations

import signal

from reconciler.sandbox import ACCOUNT
from tests.acceptance.service.conftest import HOUR_AGO, Town

NAMES = {"eu": ACCOUNT, "us": "acct_us"}


def two_accounts(town: Town) -> None:
    """A pending payment of each account that Stripe calls paid."""
    town.execute("ALTER TABLE payments ADD COLUMN shop text")
    town.stripe.add_account("acct_us")
    more = ""
    for number, (name, account) in enumerate(NAMES.items()):
        secret = f"rk_test_of{name}0000001"
        needed = ["payment_intent_read", "charge_read", "event_read", "dispute_read"]
        town.stripe.add_key(secret, account=account, permissions=needed)
        (town.config.parent / f"{name}.key").write_text(secret)
        more += f'\n[[accounts]]\nname = "{name}"\nkey_file = "{name}.key"\n'
        intent = town.stripe.create_payment(1250, "eur", at=HOUR_AGO, account=account)
        town.stripe.succeed(intent.id, at=HOUR_AGO)
        town.execute(
            "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at, shop)"
            f" VALUES ({number}, '{intent.id}', 'pending', 1250, 'eur', '{HOUR_AGO}', '{name}')"
        )
    town.configure(lease="3s")
    text = town.config.read_text().replace("[payments]", '[payments]\naccount = "shop"')
    town.config.write_text(text + more)
    del town.environ["STRIPE_API_KEY"]


def holders(town: Town) -> dict[str, int]:
    """Which process holds each account."""
    return {
        account: int(holder.split(":")[1])
        for account, holder in town.ask("SELECT account, holder FROM reconciler.leases")
    }


def test_replicas_share_the_accounts(town: Town) -> None:
    """Each account has one process at a time; when one dies, another takes its accounts over and goes on."""
    two_accounts(town)
    team = {daemon.process.pid: daemon for daemon in (town.start(), town.start())}
    for daemon in team.values():
        daemon.event("service.ready")
    # whoever is second at an account learns it from the lease, so one of them says it for each
    first = next(iter(team.values()))
    pause = first.finished
    for _ in range(200):
        if len(holders(town)) == 2 and town.statuses() == {"paid": 2}:
            break
        pause.wait(0.2)
    assert town.statuses() == {"paid": 2}
    held = holders(town)
    assert set(held) == {"eu", "us"}
    assert set(held.values()) <= set(team)
    victim = team.pop(held["eu"])
    lost = {account for account, pid in held.items() if pid == victim.process.pid}
    victim.end(signal.SIGKILL)
    (survivor,) = team.values()
    while lost:
        lost.discard(survivor.event("lease.taken", seconds=12)["account"])
    assert set(holders(town).values()) == {survivor.process.pid}
    assert town.run("verify")[0] == 0
    assert survivor.end() == 0
