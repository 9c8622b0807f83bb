"""A shop with a real table, its sandbox Stripe, and the program as a person starts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.app import run
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.configured_shop import NO_RATE_LIMIT, REPOSITORY
from tests.acceptance.installation import Answer
from tests.conftest import MakeShop, Shop
from tests.kept_connections import kept_connection

HOUR_AGO = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
CONFIGURATION = """
[payments]
table = "public.payments"
key = "id"
payment_intent = "stripe_payment_intent_id"
status = "status"
amount = "amount"
currency = "currency"
created = "created_at"
updated = "updated_at"
order = "order_id"
[payments.read]
pending = "incomplete"
failed = "failed"
processing = "processing"
authorized = "authorized"
paid = "succeeded"
canceled = "canceled"
refunded = "refunded"
[payments.write]
failed = "failed"
processing = "processing"
authorized = "authorized"
succeeded = "paid"
canceled = "canceled"
"""


class Town:
    """A shop, its Stripe, and the configuration that names both."""

    def __init__(
        self, shop: Shop, server: SandboxServer, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.shop = shop
        self.server = server
        self.stripe: Sandbox = server.sandbox
        self.folder = folder
        self._capsys = capsys
        self.config = folder / "reconciler.toml"
        self.environ: dict[str, str] = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": shop.url,
            "RECONCILER_CONFIG": str(self.config),
            "RECONCILER_STRIPE__API_BASE": server.url,
            **NO_RATE_LIMIT,
        }
        self.configure()

    def configure(self, more: str = "", text: str = CONFIGURATION) -> None:
        """Write the configuration file."""
        self.config.write_text(text + more, encoding="utf-8")

    def pay(self, key: int, status: str = "pending", *, paid: bool = True, **values: Any) -> str:
        """Create a payment of an hour ago at Stripe and in the table. Returns the PaymentIntent's id."""
        intent = self.stripe.create_payment(1250, "eur", at=HOUR_AGO)
        if paid:
            self.stripe.succeed(intent.id, at=HOUR_AGO)
        row = {"created": HOUR_AGO.isoformat(), "status": status, **values}
        self.shop.insert(key=key, payment_intent=intent.id, **row)
        return intent.id

    def statuses(self) -> dict[str, str | None]:
        """The status of every row, by its key."""
        return {key: row["status"] for key, row in self.shop.rows().items()}

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return kept_connection(self.shop.url).execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, **environ: str) -> Answer:
        """Run a command line, and check that its output has no secret and no traceback."""
        self._capsys.readouterr()
        code = run(arguments, {**self.environ, **environ})
        captured = self._capsys.readouterr()
        for text in (captured.out, captured.err):
            assert self.environ["STRIPE_API_KEY"] not in text
            assert "_secret_" not in text
            assert "Traceback" not in text
        return Answer(code, captured.out, captured.err)

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the program in its own process."""
        return started(*arguments, environ={**self.environ, **environ})


def started(*arguments: str, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    """The program in its own process. The caller has to end it."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconciler", *arguments],
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def restored_logging(original_logging: None) -> None:
    """Restore the logging, which every command configures."""


@pytest.fixture
def town(shop: MakeShop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Town]:
    """A shop with an empty table and a Stripe without payments."""
    with SandboxServer(Sandbox(SystemClock())) as server:
        yield Town(shop(), server, tmp_path, capsys)
