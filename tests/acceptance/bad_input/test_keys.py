"""A key that is missing, wrong, lacks a permission, or is revoked during a sweep."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from reconciler.sandbox import LIVE_KEY, Sandbox
from tests.acceptance.installation import LIST, NOW, Installation
from tests.some_quick import some_quick

FULL = ("payment_intent_read", "charge_read", "event_read", "dispute_read")
SHOWN = "Read on"


def restricted(stripe: Sandbox, without: str = "", name: str = "rk_test_restricted0001") -> str:
    """A restricted key with every permission that Reconciler needs, except ``without``."""
    stripe.add_key(name, permissions=[item for item in FULL if item != without])
    return name


def test_no_key(installation: Installation) -> None:
    """Without a key: exit 78 with every way to set one, and nothing written."""
    installation.add_payment(1)
    before = installation.dump()
    answer = installation.run("sweep", "--apply", STRIPE_API_KEY="")
    assert answer.code == 78
    assert "STRIPE_API_KEY" in answer.err
    assert "key_file" in answer.err
    assert installation.dump() == before


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("pk_test_publishable123456", "publishable"),
        ("whsec_abcdefghijklmnop", "webhook"),
        ("sk_test_with a space", "has a space"),
    ],
)
def test_another_value_than_a_key(installation: Installation, key: str, says: str) -> None:
    """A value that is not an API key is named for what it is, and is not shown."""
    answer = installation.run("sweep", STRIPE_API_KEY=key)
    assert answer.code == 78
    assert says in answer.err
    assert key not in answer.err + answer.out
    assert installation.stripe.requests.reads == 0


def test_a_key_that_stripe_does_not_know(installation: Installation) -> None:
    """After a 401: exit 78, few reads, the report is printed, and the key is shown only in part."""
    for key in range(30):
        installation.add_payment(key)
    before = installation.dump_results()
    wrong = "sk_test_mistyped1234567890"
    installation.secrets.append(wrong)
    answer = installation.sweep("--apply", STRIPE_API_KEY=wrong)
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert "API keys" in answer.err
    assert "refused the key" in answer.err
    shown = " ".join(answer.err.replace("\nhint:", "").split())
    assert answer.json["stopped"] in shown
    assert installation.stripe.requests.reads < 20
    assert installation.dump_results() == before


@pytest.mark.parametrize("permission", ["payment_intent_read", "charge_read", "event_read"])
@some_quick("kind", ["due", "window", "all"], quick=(2,))
def test_a_key_without_a_permission(installation: Installation, permission: str, kind: str) -> None:
    """After a 403: exit 78 with the permission's name in Stripe's API and in the Dashboard, and nothing written."""
    installation.add_payment(1)
    before = installation.dump_results()
    answer = installation.sweep(
        "--kind", kind, "--apply", STRIPE_API_KEY=restricted(installation.stripe, permission)
    )
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert f"rak_{permission}" in answer.err
    assert SHOWN in answer.err
    assert installation.dump_results() == before


def test_the_key_of_the_readme_is_enough(installation: Installation) -> None:
    """A restricted key with Read on four resources is enough for every command."""
    intent = installation.add_payment(1)
    installation.add_payment(2, "paid", "cancel")
    installation.set_clock_to_now()
    environ = {"STRIPE_API_KEY": restricted(installation.stripe)}
    installation.secrets.append(environ["STRIPE_API_KEY"])
    assert installation.run("doctor", **environ).code == 0
    assert installation.sweep(**environ).code == 0
    assert installation.run("explain", intent, **environ).code == 0
    report = installation.sweep("--apply", **environ).json
    assert report["corrected"] == 1
    assert installation.run("revert", str(report["sweep"]), **environ).code == 0
    found = installation.run("discrepancies", "--json", "--state", "open", **environ).json
    # the correction that was taken back is open too
    (open_one,) = [one for one in found if one["reason"] != "reverted"]
    note = ("--accept", "stripe", "--note", "checked")
    assert installation.run("resolve", str(open_one["id"]), *note, **environ).code == 0
    installation.check_ledger()


@pytest.mark.parametrize("without", FULL)
def test_the_doctor_names_each_permission(installation: Installation, without: str) -> None:
    """The doctor checks each permission separately, and names only the missing one."""
    installation.set_clock_to_now()
    answer = installation.run(
        "doctor", "--json", STRIPE_API_KEY=restricted(installation.stripe, without)
    )
    faults = [check for check in answer.json["checks"] if check["level"] == "fault"]
    assert answer.code == 78
    assert faults
    for fault in faults:
        assert f"rak_{without}" in fault["what"] + fault["hint"]


def test_a_key_revoked_in_mid_sweep(installation: Installation) -> None:
    """Revoked between the list and the reading of events: exit 78, the report, and no half-recorded page."""
    for number in range(5):
        installation.add_payment(number)
    key = restricted(installation.stripe)
    before = installation.dump_results()
    gone = threading.Event()

    def meanwhile(endpoint: str, _target: str) -> None:
        if endpoint == LIST and not gone.is_set():
            gone.set()
            installation.stripe.revoke_key(key)

    installation.stripe.before_answer = meanwhile
    answer = installation.sweep("--kind", "window", "--apply", STRIPE_API_KEY=key)
    assert answer.code == 78
    assert answer.json["complete"] is False
    assert "revoked" in answer.err
    assert installation.dump_results() == before


def test_a_key_revoked_between_two_pages(installation: Installation) -> None:
    """The pages recorded before stay, each row with its ledger entry; the other rows are unchanged."""
    for number in range(250):
        installation.add_payment(number, age=timedelta(days=2, seconds=number))
    key = restricted(installation.stripe)
    lists: list[str] = []

    def meanwhile(endpoint: str, target: str) -> None:
        if endpoint == LIST and "starting_after" in target:
            lists.append(target)
            if len(lists) == 2:
                installation.stripe.revoke_key(key)

    installation.stripe.before_answer = meanwhile
    answer = installation.sweep("--kind", "window", "--apply", STRIPE_API_KEY=key)
    assert answer.code == 78
    corrected = list(installation.statuses().values()).count("paid")
    assert answer.json["corrected"] == corrected < 250
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == corrected
    installation.check_ledger()


def test_the_key_of_the_other_mode(installation: Installation) -> None:
    """A live key knows no payment of test mode: exit 78, and nothing is recorded."""
    for key in range(12):
        installation.add_payment(key)
    before = installation.dump_results()
    answer = installation.sweep("--kind", "due", "--apply", STRIPE_API_KEY=LIVE_KEY)
    assert answer.code == 78
    assert "another account, or to the other mode" in answer.err
    assert installation.dump_results() == before


def test_a_key_that_contradicts_livemode(installation: Installation) -> None:
    """livemode is compared with the key's prefix before Stripe is asked."""
    installation.configure(stripe={"livemode": True})
    answer = installation.run("sweep")
    assert answer.code == 78
    assert "livemode" in answer.err
    assert installation.stripe.requests.reads == 0


def test_an_object_of_the_other_mode_ends_the_sweep(installation: Installation) -> None:
    """If the key's prefix does not say its mode, the first object of the wrong mode ends the sweep; nothing is recorded."""
    intent = installation.add_payment(1)
    key = "ak_0123456789abcdefghij"
    installation.stripe.add_key(key)
    installation.configure(stripe={"livemode": True})
    before = installation.dump_results()
    for named in (["--kind", "window"], ["--payment-intent", intent]):
        answer = installation.sweep(*named, "--apply", STRIPE_API_KEY=key)
        assert answer.code == 78
        assert "test mode" in answer.err
    assert installation.dump_results() == before


def test_the_key_of_another_account(installation: Installation) -> None:
    """The key of another shop's account: exit 78, and none of its payments becomes a finding."""
    installation.stripe.add_account("acct_another")
    installation.stripe.add_key("sk_test_another0001", account="acct_another")
    for key in range(12):
        installation.add_payment(key, "paid")
        foreign = installation.stripe.create_payment(
            100, account="acct_another", at=NOW - timedelta(days=1)
        )
        installation.stripe.succeed(foreign.id, at=NOW - timedelta(days=1))
    installation.add_payment(50)
    before = installation.dump_results()
    for kind in ("window", "due", "all"):
        answer = installation.sweep("--kind", kind, "--apply", STRIPE_API_KEY="sk_test_another0001")
        assert answer.code == 78
        assert "another account" in answer.err
        assert installation.dump_results() == before


def test_the_key_of_another_account_with_few_rows(installation: Installation) -> None:
    """Three rows are too few to prove that a key is wrong, but payments without a row are not reported: exit 75."""
    installation.stripe.add_account("acct_another")
    installation.stripe.add_key("sk_test_another0001", account="acct_another")
    for key in range(3):
        installation.add_payment(key, "paid")
        foreign = installation.stripe.create_payment(
            100, account="acct_another", at=NOW - timedelta(days=1)
        )
        installation.stripe.succeed(foreign.id, at=NOW - timedelta(days=1))
    answer = installation.sweep("--kind", "window", "--apply", STRIPE_API_KEY="sk_test_another0001")
    assert answer.code == 75
    assert "missing_locally" not in installation.states_by_kind()
    assert set(installation.statuses().values()) == {"paid"}


def test_a_connected_account_without_access(installation: Installation) -> None:
    """A stripe_account that the key may not act for: exit 78, and the message names the setting."""
    installation.add_payment(1)
    installation.configure(accounts=[{"name": "default", "stripe_account": "acct_stranger"}])
    answer = installation.sweep("--apply")
    assert answer.code == 78
    assert "stripe_account" in answer.err
    assert installation.statuses() == {"1": "pending"}
