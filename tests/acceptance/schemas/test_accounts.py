"""Several Stripe accounts over one table: each with its own key, rows, findings, lease and ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.sandbox import ACCOUNT
from tests.acceptance.world import NOW, World

CREATED = NOW - timedelta(days=2)
NAMES = {"eu": ACCOUNT, "us": "acct_us"}


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Two accounts with a paid and a pending payment each; the keys are in files beside the configuration."""
    world = make_world(columns={"account": ("shop", "text")})
    world.stripe.add_account("acct_us")
    for name, account in NAMES.items():
        secret = f"rk_test_of{name}0000001"
        world.stripe.add_key(
            secret,
            account=account,
            permissions=["payment_intent_read", "charge_read", "event_read", "dispute_read"],
        )
        world.secrets.append(secret)
        (world.folder / f"{name}.key").write_text(f"{secret}\n", encoding="utf-8")
    world.configure(
        accounts=[{"name": name, "key_file": f"{name}.key"} for name in NAMES],
    )
    del world.environ["STRIPE_API_KEY"]
    for number, (name, account) in enumerate(NAMES.items()):
        for status in ("pending", "paid"):
            made = world.stripe.create_payment(1250, "eur", at=CREATED, account=account)
            world.stripe.succeed(made.id, at=CREATED)
            world.shop.insert(
                key=number * 10 + (status == "paid"),
                payment_intent=made.id,
                status=status,
                account=name,
                created=CREATED.isoformat(),
            )
    return world


def test_the_whole_way(world: World) -> None:
    """One command sweeps over both, sums them up, and each account can be taken back by itself."""
    world.set_clocks_right()
    assert world.run("doctor").code == 0
    dry = world.sweep().json
    assert (dry["would_correct"], [one["account"] for one in dry["accounts"]]) == (2, ["eu", "us"])
    answer = world.sweep("--apply")
    assert (answer.code, answer.json["corrected"], answer.json["discrepancies"]) == (
        0,
        2,
        {"missed_outcome": 2},
    )
    assert set(world.statuses().values()) == {"paid"}
    heads = world.ask("SELECT account FROM reconciler.ledger_heads ORDER BY account")
    assert [row["account"] for row in heads] == ["eu", "us"]
    world.verify()
    sweeps = {one["account"]: one["sweep"] for one in answer.json["accounts"]}
    assert world.run("revert", str(sweeps["us"])).code == 64, "which account is not guessed"
    assert world.run("revert", str(sweeps["us"]), "--account", "us").code == 0
    assert world.statuses() == {"0": "paid", "1": "paid", "10": "pending", "11": "paid"}
    world.verify()


def test_one_account_alone(world: World) -> None:
    """--account leaves the other's rows and Stripe account untouched."""
    assert world.sweep("--apply", "--account", "us").json["corrected"] == 1
    assert world.statuses() == {"0": "pending", "1": "paid", "10": "paid", "11": "paid"}


def test_a_row_of_another_account_is_not_ours(world: World) -> None:
    """An intent whose row carries the other account's name is not corrected through the wrong key."""
    world.execute("UPDATE public.payments SET shop = 'eu' WHERE id = 10")
    world.sweep("--apply", "--account", "eu")
    assert world.statuses()["10"] == "pending"
    world.sweep("--apply", "--account", "us")
    assert world.statuses()["10"] == "pending"


def test_one_key_that_fails_does_not_keep_the_other_away(world: World) -> None:
    """The account with the wrong key ends with 78 and is named; the other one is done."""
    (world.folder / "eu.key").write_text("rk_test_wrong0000001\n", encoding="utf-8")
    world.secrets.append("rk_test_wrong0000001")
    answer = world.sweep("--apply")
    assert (answer.code, answer.json["complete"], answer.json["corrected"]) == (78, False, 1)
    assert "account eu" in answer.err
    assert world.statuses()["10"] == "paid"
    assert world.statuses()["0"] == "pending"


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no file"), ("", "empty"), ("pk_test_x", "publishable")]
)
def test_a_key_file_that_is_none(world: World, text: str | None, says: str) -> None:
    """A key file that is missing, empty or holds something else: exit 78, which account, and nothing is begun."""
    path = world.folder / "us.key"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    answer = world.run("sweep", "--apply")
    assert answer.code == 78
    assert '"us"' in answer.err
    assert says in answer.err
    assert world.stripe.requests.reads == 0
    assert world.statuses()["0"] == "pending"


def test_the_leases_are_apart(world: World) -> None:
    """One account's lease is held by another process: the other account is done all the same."""
    world.execute("INSERT INTO reconciler.leases VALUES ('eu', 3, 'another:1', now() + '1 hour')")
    answer = world.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (75, 1)
    assert "another:1" in answer.err
