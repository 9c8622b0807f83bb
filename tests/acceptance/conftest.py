"""The fixtures of the acceptance tests: an installation in which the program runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.sandbox import SandboxServer
from reconciler.wiring import account as account_wiring
from tests.acceptance.installation import Installation, make_stripe
from tests.conftest import MakeShop, Shop

SHORT_WAITS = Retries(least_wait=0.0, first_wait=0.001, longest_wait=0.002)


@pytest.fixture
def short_retry_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway as the program builds it, but with waits of milliseconds between its tries."""
    gateway = partial(
        StripeGateway, retries=SHORT_WAITS, timeouts=Timeouts(connect=2, read=2, attempt=4)
    )
    monkeypatch.setattr(account_wiring, "StripeGateway", gateway)


@pytest.fixture
def make_installation(
    shop: MakeShop,
    short_retry_waits: None,
    original_logging: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Installation]]:
    """A factory for an installation; it takes a shop, or the arguments of the fixture ``shop``."""
    with SandboxServer(make_stripe()) as server:

        def make(made: Shop | None = None, **columns: object) -> Installation:
            return Installation(made or shop(**columns), server, tmp_path, capsys)

        yield make


@pytest.fixture
def installation(make_installation: Callable[..., Installation]) -> Installation:
    """An installation for the plainest table, empty, and a Stripe without payments."""
    return make_installation()
