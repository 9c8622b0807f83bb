"""A key that is missing, wrong, lacks a permission, or is revoked during a sweep."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.sandbox import LIVE_KEY, Sandbox
from tests.acceptance.world import LIST, NOW, World

FULL = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
SHOWN = "Read on"


def restricted(stripe: Sandbox, without: str = "", name: str = "rk_test_restricted0001") -> str:
    """A restricted key with every permission that Reconciler needs, except ``without``."""
    stripe.add_key(name, permissions=[item for item in FULL if item != without])
    return name


def test_no_key(world: World) -> None:
    """Without a key: exit 78 with every way to set one, and nothing written."""
    world.pay(1)
    before = world.dump()
    answer = world.run("sweep", "--apply", STRIPE_API_KEY="")
    assert answer.code == 78
    assert "STRIPE_API_KEY" in answer.err
    assert "key_file" in answer.err
    assert world.dump() == before


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pk_test_publishable123456", "publishable"),
        ("whsec_abcdefghijklmnop", "webhook"),
        ("sk_test_with a space", "no spaces"),
    ],
)
def test_another_value_than_a_key(world: World, key: str, says: str) -> None:
    """A value that is not an API key is named for what it is, and is not shown."""
    answer = world.run("sweep", STRIPE_API_KEY=key)
    assert answer.code == 78
    assert says in answer.err
    assert key not in answer.err + answer.out
    assert world.stripe.requests.reads == 0


def test_a_key_that_stripe_does_not_know(world: World) -> None:
    """After a 401: exit 78, few reads, the report is printed, and the key is shown only in part."""
    for key in range(30):
        world.pay(key)
    before = world.substance()
    wrong = "sk_test_mistyped1234567890"
    world.secrets.append(wrong)
    answer = world.sweep("--apply", STRIPE_API_KEY=wrong)
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert "API keys" in answer.err
    assert "refused the key" in answer.err
    shown = " ".join(answer.err.replace("\nhint:", "").split())
    assert answer.json["stopped"] in shown
    assert world.stripe.requests.reads < 20
    assert world.substance() == before


@pytest.mark.parametrize("permission", ["payment_intent_read", "charge_read", "event_read"])
@pytest.mark.parametrize("kind", ["due", "window", "all"])
def test_a_key_without_a_permission(world: World, permission: str, kind: str) -> None:
    """After a 403: exit 78 with the permission's name in Stripe's API and in the Dashboard, and nothing written."""
    world.pay(1)
    before = world.substance()
    answer = world.sweep(
        "--kind", kind, "--apply", STRIPE_API_KEY=restricted(world.stripe, permission)
    )
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert f"rak_{permission}" in answer.err
    assert SHOWN in answer.err
    assert world.substance() == before


def test_the_key_of_the_readme_is_enough(world: World) -> None:
    """A restricted key with Read on four resources is enough for every command."""
    intent = world.pay(1)
    world.pay(2, "paid", "cancel")
    world.set_clocks_right()
    environ = {"STRIPE_API_KEY": restricted(world.stripe)}
    world.secrets.append(environ["STRIPE_API_KEY"])
    assert world.run("doctor", **environ).code == 0
    assert world.sweep(**environ).code == 0
    assert world.run("explain", intent, **environ).code == 0
    report = world.sweep("--apply", **environ).json
    assert report["corrected"] == 1
    assert world.run("revert", str(report["sweep"]), **environ).code == 0
    (open_one,) = world.run("discrepancies", "--json", "--state", "open", **environ).json
    note = ("--accept", "stripe", "--note", "checked")
    assert world.run("resolve", str(open_one["id"]), *note, **environ).code == 0
    world.verify()


@pytest.mark.parametrize("without", FULL)
def test_the_doctor_names_each_permission(world: World, without: str) -> None:
    """The doctor checks each permission separately, and names only the missing one."""
    world.set_clocks_right()
    answer = world.run("doctor", "--json", STRIPE_API_KEY=restricted(world.stripe, without))
    faults = [check for check in answer.json["checks"] if check["level"] == "fault"]
    assert answer.code == 78
    assert faults
    for fault in faults:
        assert f"rak_{without}" in fault["what"] + fault["hint"]


def test_a_key_revoked_in_mid_sweep(world: World) -> None:
    """Revoked between the list and the reading of events: exit 78, the report, and no half-recorded page."""
    for number in range(5):
        world.pay(number)
    key = restricted(world.stripe)
    before = world.substance()
    gone = threading.Event()

    def meanwhile(endpoint: str, _target: str) -> None:
        if endpoint == LIST and not gone.is_set():
            gone.set()
            world.stripe.revoke_key(key)

    world.stripe.before_answer = meanwhile
    answer = world.sweep("--kind", "window", "--apply", STRIPE_API_KEY=key)
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert "revoked" in answer.err
    assert world.substance() == before


def test_a_key_revoked_between_two_pages(world: World) -> None:
    """The pages recorded before stay, each row with its ledger entry; the other rows are unchanged."""
    for number in range(250):
        world.pay(number, age=timedelta(days=2, seconds=number))
    key = restricted(world.stripe)
    lists: list[str] = []

    def meanwhile(endpoint: str, target: str) -> None:
        if endpoint == LIST and "starting_after" in target:
            lists.append(target)
            if len(lists) == 2:
                world.stripe.revoke_key(key)

    world.stripe.before_answer = meanwhile
    answer = world.sweep("--kind", "window", "--apply", STRIPE_API_KEY=key)
    assert answer.code == 78
    corrected = list(world.statuses().values()).count("paid")
    assert answer.json["corrected"] == corrected < 250
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == corrected
    world.verify()


def test_the_key_of_the_other_mode(world: World) -> None:
    """A live key knows no payment of test mode: exit 78, and nothing is recorded."""
    for key in range(12):
        world.pay(key)
    before = world.substance()
    answer = world.sweep("--kind", "due", "--apply", STRIPE_API_KEY=LIVE_KEY)
    assert answer.code == 78
    assert "another account or of the other mode" in answer.err
    assert world.substance() == before


def test_a_key_that_contradicts_livemode(world: World) -> None:
    """livemode is compared with the key's prefix before Stripe is asked."""
    world.configure(stripe={"livemode": True})
    answer = world.run("sweep")
    assert answer.code == 78
    assert "livemode" in answer.err
    assert world.stripe.requests.reads == 0


def test_an_object_of_the_other_mode_ends_the_sweep(world: World) -> None:
    """If the key's prefix does not say its mode, the first object of the wrong mode ends the sweep; nothing is recorded."""
    intent = world.pay(1)
    key = "ak_0123456789abcdefghij"
    world.stripe.add_key(key)
    world.configure(stripe={"livemode": True})
    before = world.substance()
    for named in (["--kind", "window"], ["--payment-intent", intent]):
        answer = world.sweep(*named, "--apply", STRIPE_API_KEY=key)
        assert answer.code == 78
        assert "test mode" in answer.err
    assert world.substance() == before


def test_the_key_of_another_account(world: World) -> None:
    """The key of another shop's account: exit 78, and none of its payments becomes a finding."""
    world.stripe.add_account("acct_another")
    world.stripe.add_key("sk_test_another0001", account="acct_another")
    for key in range(12):
        world.pay(key, "paid")
        foreign = world.stripe.create_payment(
            100, account="acct_another", at=NOW - timedelta(days=1)
        )
        world.stripe.succeed(foreign.id, at=NOW - timedelta(days=1))
    world.pay(50)
    before = world.substance()
    for kind in ("window", "due", "all"):
        answer = world.sweep("--kind", kind, "--apply", STRIPE_API_KEY="sk_test_another0001")
        assert answer.code == 78
        assert "another account" in answer.err
        assert world.substance() == before


def test_the_key_of_another_account_with_few_rows(world: World) -> None:
    """Three rows are too few to prove that a key is wrong, but payments without a row are not reported: exit 75."""
    world.stripe.add_account("acct_another")
    world.stripe.add_key("sk_test_another0001", account="acct_another")
    for key in range(3):
        world.pay(key, "paid")
        foreign = world.stripe.create_payment(
            100, account="acct_another", at=NOW - timedelta(days=1)
        )
        world.stripe.succeed(foreign.id, at=NOW - timedelta(days=1))
    answer = world.sweep("--kind", "window", "--apply", STRIPE_API_KEY="sk_test_another0001")
    assert answer.code == 75
    assert "missing_locally" not in world.kinds()
    assert set(world.statuses().values()) == {"paid"}


def test_a_connected_account_without_access(world: World) -> None:
    """A stripe_account that the key may not act for: exit 78, and the message names the setting."""
    world.pay(1)
    world.configure(accounts=[{"name": "default", "stripe_account": "acct_stranger"}])
    answer = world.sweep("--apply")
    assert answer.code == 78
    assert "stripe_account" in answer.err
    assert world.statuses() == {"1": "pending"}
