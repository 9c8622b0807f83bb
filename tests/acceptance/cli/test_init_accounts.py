"""``init`` on tables whose rows name Stripe accounts: it maps the column only if the key's own reads prove that it must."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli import init_dialogue
from reconciler.sandbox import ACCOUNT, TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.cli.test_init import START, Place, kinds

CONNECTED, FOREIGN = "acct_1Connected", "acct_1Another"


@pytest.fixture
def shop(database: str, tmp_path: Path, original_logging: None) -> Iterator[Place]:
    with SandboxServer(Sandbox(SystemClock())) as server:
        server.sandbox.add_account(CONNECTED, platform=ACCOUNT)
        yield Place(database, server, tmp_path)


def add(shop: Place, first: int, rows: int, made_in: str, account: str | None) -> None:
    """Rows with payments of an account at Stripe, of which the row says another one or the same. One lost its webhook."""
    added: list[tuple[Any, ...]] = []
    for number in range(first, first + rows):
        at = START + timedelta(minutes=number)
        intent = shop.stripe.create_payment(1000 + number, "eur", account=made_in, at=at)
        if number % 2 == 0:
            shop.stripe.succeed(intent.id, at=at + timedelta(seconds=30))
        status = "paid" if number % 2 == 0 and number != first else "pending"
        added.append((number, intent.id, status, 1000 + number, at, account, 1 + number % 3))
    shop.execute("INSERT INTO public.payments VALUES (%s, %s, %s, %s, 'eur', %s, %s, %s)", added)


def table(shop: Place) -> None:
    shop.execute(
        "CREATE TABLE public.payments (id bigint PRIMARY KEY, intent text UNIQUE, status text, amount bigint, currency text,"
        " created_at timestamptz, paid_to text, tenant_id integer)"
    )


def accounts(shop: Place) -> list[dict[str, Any]]:
    """The sections [[accounts]] that were written."""
    written = tomllib.loads(shop.config.read_text(encoding="utf-8"))
    return list(written.get("accounts", []))


def test_rows_of_several_stripe_accounts(shop: Place) -> None:
    """The key's own account, one that it reads as a platform, one that it cannot read, and rows without an account.

    The first two are swept, and the rows of the third are counted: without the column each of these would be missing at
    Stripe. A number of the tenant is no account.
    """
    table(shop)
    add(shop, 100, 60, ACCOUNT, None)
    add(shop, 200, 60, CONNECTED, CONNECTED)
    shop.stripe.add_account(FOREIGN)
    add(shop, 300, 20, FOREIGN, FOREIGN)
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    assert shop.payments()["account"] == "paid_to"
    assert accounts(shop) == [
        {"name": "default", "holds_null": True},
        {"name": CONNECTED, "stripe_account": CONNECTED},
    ]
    assert f'# name = "{FOREIGN}"' in shop.config.read_text()
    assert f'20 rows are in the account "{FOREIGN}", and the key reads 0 of ' in answer.out
    assert shop.sweep()["discrepancies"] == {"missed_outcome": 2}
    assert f'"{FOREIGN}" 20' in answer.out
    assert not [check for check in shop.doctor() if check["level"] == "fault"]


def test_a_platform_that_makes_every_payment_itself(shop: Place) -> None:
    """NULL in most rows, in a document: the key reads all payments, so a mapped account would drop rows and is not written."""
    table(shop)
    add(shop, 100, 70, ACCOUNT, None)
    add(shop, 200, 12, ACCOUNT, CONNECTED)
    add(shop, 300, 12, ACCOUNT, FOREIGN)
    shop.execute(
        "ALTER TABLE public.payments ADD COLUMN data jsonb;"
        "UPDATE public.payments SET data = jsonb_build_object('note', 'x', 'destination', paid_to);"
        "ALTER TABLE public.payments DROP COLUMN paid_to"
    )
    answer = shop.init("--yes")
    assert answer.code == 0, answer.err
    assert "account" not in shop.payments()
    assert accounts(shop) == []
    assert "# not needed, because the key reads the payments of all of them: no account 70" in (
        shop.config.read_text()
    )
    assert kinds(shop.sweep()) == {"missed_outcome": 3}


def test_nothing_proves_it(shop: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Stripe key the column is a comment, and on a terminal a question; one account of the key needs neither."""
    table(shop)
    add(shop, 100, 8, ACCOUNT, ACCOUNT)
    assert shop.init("--yes").code == 0
    assert "account" not in shop.config.read_text().replace("Stripe account", "")
    add(shop, 200, 8, ACCOUNT, CONNECTED)
    assert shop.init("--yes", "--force", STRIPE_API_KEY="").code == 0
    assert "account" not in shop.payments()
    assert '# account = "paid_to"' in shop.config.read_text()
    assert "# [[accounts]]" in shop.config.read_text()
    monkeypatch.setattr(init_dialogue, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("\ny\nn\n"))
    answer = shop.init("--force", STRIPE_API_KEY="")
    assert answer.code == 0, answer.err
    assert "a Stripe account of its own for its payments?" in answer.err
    assert shop.payments()["account"] == "paid_to"
    assert {"name": CONNECTED, "stripe_account": CONNECTED} in accounts(shop)
    assert TEST_KEY not in shop.config.read_text()
