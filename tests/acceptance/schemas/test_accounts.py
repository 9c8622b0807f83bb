"""Several Stripe accounts with one table: each has its own key, rows, discrepancies, lease and ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from reconciler.sandbox import ACCOUNT
from tests.acceptance.installation import NOW, Installation

CREATED = NOW - timedelta(days=2)
NAMES = {"eu": ACCOUNT, "us": "acct_us"}


@pytest.fixture
def installation(make_installation: Callable[..., Installation]) -> Installation:
    """Two accounts with one paid and one pending payment each; the keys are in files beside the configuration."""
    installation = make_installation(columns={"account": ("shop", "text")})
    installation.stripe.add_account("acct_us")
    for name, account in NAMES.items():
        secret = f"rk_test_of{name}0000001"
        installation.stripe.add_key(
            secret,
            account=account,
            permissions=["payment_intent_read", "charge_read", "event_read", "dispute_read"],
        )
        installation.secrets.append(secret)
        (installation.folder / f"{name}.key").write_text(f"{secret}\n", encoding="utf-8")
    installation.configure(
        accounts=[{"name": name, "key_file": f"{name}.key"} for name in NAMES],
    )
    del installation.environ["STRIPE_API_KEY"]
    for number, (name, account) in enumerate(NAMES.items()):
        for status in ("pending", "paid"):
            made = installation.stripe.create_payment(1250, "eur", at=CREATED, account=account)
            installation.stripe.succeed(made.id, at=CREATED)
            installation.shop.insert(
                key=number * 10 + (status == "paid"),
                payment_intent=made.id,
                status=status,
                account=name,
                created=CREATED.isoformat(),
            )
    return installation


def test_one_command_sweeps_all_accounts(installation: Installation) -> None:
    """One sweep covers both accounts and adds them up; each account can be reverted by itself."""
    installation.set_clock_to_now()
    assert installation.run("doctor").code == 0

    dry = installation.sweep().json
    assert (dry["would_correct"], [one["account"] for one in dry["accounts"]]) == (2, ["eu", "us"])

    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"], answer.json["discrepancies"]) == (
        0,
        2,
        {"missed_outcome": 2},
    )
    assert set(installation.statuses().values()) == {"paid"}

    heads = installation.query_dicts("SELECT account FROM reconciler.ledger_heads ORDER BY account")
    assert [row["account"] for row in heads] == ["eu", "us"]

    installation.check_ledger()
    sweeps = {one["account"]: one["sweep"] for one in answer.json["accounts"]}
    assert installation.run("revert", str(sweeps["us"]), "--account", "eu").code == 64
    # the number of a sweep names its account
    assert installation.run("revert", str(sweeps["us"])).code == 0
    assert installation.statuses() == {"0": "paid", "1": "paid", "10": "pending", "11": "paid"}

    installation.check_ledger()


def test_one_account_alone(installation: Installation) -> None:
    """--account leaves the other account's rows and Stripe account untouched."""
    assert installation.sweep("--apply", "--account", "us").json["corrected"] == 1
    assert installation.statuses() == {"0": "pending", "1": "paid", "10": "paid", "11": "paid"}


def test_a_row_of_another_account_is_not_corrected(installation: Installation) -> None:
    """An intent whose row has the other account's name is not corrected through the wrong key."""
    installation.execute("UPDATE public.payments SET shop = 'eu' WHERE id = 10")
    installation.sweep("--apply", "--account", "eu")
    assert installation.statuses()["10"] == "pending"
    installation.sweep("--apply", "--account", "us")
    assert installation.statuses()["10"] == "pending"


def test_one_wrong_key_does_not_stop_the_other_account(installation: Installation) -> None:
    """The account with the wrong key is named, and the command ends with 78; the other account is done."""
    (installation.folder / "eu.key").write_text("rk_test_wrong0000001\n", encoding="utf-8")
    installation.secrets.append("rk_test_wrong0000001")
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["complete"], answer.json["corrected"]) == (78, False, 1)
    assert "account eu" in answer.err
    assert installation.statuses()["10"] == "paid"
    assert installation.statuses()["0"] == "pending"


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no file"), ("", "empty"), ("pk_test_x", "publishable")]
)
def test_an_invalid_key_file_ends_the_command(
    installation: Installation, text: str | None, says: str
) -> None:
    """If a key file is missing, empty or has something else, the command ends with 78, names the account, and reads nothing."""
    path = installation.folder / "us.key"
    path.unlink()
    if text is not None:
        path.write_text(text, encoding="utf-8")
    answer = installation.run("sweep", "--apply")
    assert answer.code == 78
    assert '"us"' in answer.err
    assert says in answer.err
    assert installation.stripe.requests.reads == 0
    assert installation.statuses()["0"] == "pending"


def test_each_account_has_its_own_lease(installation: Installation) -> None:
    """One account's lease is held by another process: the other account is still done."""
    installation.execute(
        "INSERT INTO reconciler.leases VALUES ('eu', 3, 'another:1', now() + '1 hour')"
    )
    answer = installation.sweep("--apply")
    assert (answer.code, answer.json["corrected"]) == (75, 1)
    assert "another:1" in answer.err
