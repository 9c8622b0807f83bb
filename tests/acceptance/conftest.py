"""The fixtures of the acceptance tests: a world to run the program in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import structlog

from reconciler import log, wiring
from reconciler.adapters.stripe_gateway import Retries, StripeGateway, Timeouts
from reconciler.sandbox import SandboxServer
from tests.acceptance.world import World, a_stripe
from tests.conftest import MakeShop, Shop

BRISK = Retries(least_wait=0.0, first_wait=0.001, longest_wait=0.002)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Leave the process's logging as it was: the program sets it up for itself."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name in log.QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway as the program builds it, with waits of milliseconds between its tries."""
    gateway = partial(StripeGateway, retries=BRISK, timeouts=Timeouts(connect=2, read=2, attempt=4))
    monkeypatch.setattr(wiring, "StripeGateway", gateway)


@pytest.fixture
def make_world(
    shop: MakeShop,
    brisk: None,
    logging_as_before: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., World]]:
    """A factory for a world around a table: what it is given goes to the shop."""
    with SandboxServer(a_stripe()) as server:

        def make(made: Shop | None = None, **columns: object) -> World:
            return World(made or shop(**columns), server, tmp_path, capsys)

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A merchant with the plainest of tables, empty, and a Stripe without payments."""
    return make_world()
