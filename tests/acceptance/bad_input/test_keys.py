"""Keys that are missing, wrong, too small, or taken away in the middle."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.sandbox import LIVE_KEY, Sandbox
from tests.acceptance.world import LIST, NOW, World

FULL = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
SHOWN = "Read on"


def restricted(stripe: Sandbox, without: str = "", name: str = "rk_test_restricted0001") -> str:
    """A restricted key with everything we need but one permission."""
    stripe.add_key(name, permissions=[item for item in FULL if item != without])
    return name


def test_no_key(world: World) -> None:
    """Without a key nothing begins: exit 78, and the ways to give one."""
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
        ("sk_test_with a space", "one word"),
    ],
)
def test_what_is_no_key(world: World, key: str, says: str) -> None:
    """Something else in the key's place is named for what it is, and is not repeated."""
    answer = world.run("sweep", STRIPE_API_KEY=key)
    assert answer.code == 78
    assert says in answer.err
    assert key not in answer.err + answer.out
    assert world.stripe.requests.reads == 0


def test_a_key_that_stripe_does_not_know(world: World) -> None:
    """401: exit 78, asked no more often than needed, the report is printed, the key shown only in part."""
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
    assert answer.json["stopped"] in " ".join(answer.err.split())
    assert world.stripe.requests.reads < 20
    assert world.substance() == before


@pytest.mark.parametrize("permission", ["payment_intent_read", "charge_read", "event_read"])
@pytest.mark.parametrize("kind", ["due", "window", "all"])
def test_a_key_without_a_permission(world: World, permission: str, kind: str) -> None:
    """403: exit 78 with the missing permission by Stripe's name and the Dashboard's, and nothing written."""
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
    """A restricted key that reads four resources serves every command."""
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
    """The doctor tries each permission by itself and names the one that is missing, and only that."""
    world.set_clocks_right()
    answer = world.run("doctor", "--json", STRIPE_API_KEY=restricted(world.stripe, without))
    faults = [check for check in answer.json["checks"] if check["level"] == "fault"]
    assert answer.code == 78
    assert faults
    for fault in faults:
        assert f"rak_{without}" in fault["what"] + fault["hint"]


def test_a_key_revoked_in_the_middle(world: World) -> None:
    """Revoked between the list and the look: exit 78, the report is printed, and no page is half written."""
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
    """What was recorded before stays whole, row by row with its ledger entry; what was not is left as it was."""
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
    """A live key over test payments knows none of them: exit 78, no finding, before anything is recorded."""
    for key in range(12):
        world.pay(key)
    before = world.substance()
    answer = world.sweep("--kind", "due", "--apply", STRIPE_API_KEY=LIVE_KEY)
    assert answer.code == 78
    assert "another account or of the other mode" in answer.err
    assert world.substance() == before


def test_a_key_that_does_not_fit_livemode(world: World) -> None:
    """livemode is compared with the key's prefix before anything is asked."""
    world.configure(stripe={"livemode": True})
    answer = world.run("sweep")
    assert answer.code == 78
    assert "livemode" in answer.err
    assert world.stripe.requests.reads == 0


def test_an_object_of_the_other_mode_stops_the_pass(world: World) -> None:
    """A key whose prefix tells nothing: the first object of the wrong mode ends it, and nothing is recorded."""
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
    """Another shop's account, full of its own payments: not one of them becomes a finding of ours."""
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


def test_the_key_of_another_account_over_a_young_table(world: World) -> None:
    """Three rows are too few to condemn a key by, yet what has no row is not claimed with it: exit 75, and why."""
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


def test_a_connected_account_that_is_not_ours(world: World) -> None:
    """Stripe-Account of an account that the key may not act for: exit 78, and what to check."""
    world.pay(1)
    world.configure(accounts=[{"name": "default", "stripe_account": "acct_stranger"}])
    answer = world.sweep("--apply")
    assert answer.code == 78
    assert "stripe_account" in answer.err
    assert world.statuses() == {"1": "pending"}
