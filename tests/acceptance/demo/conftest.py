"""The demonstration in this process, on a database of the test run."""

from __future__ import annotations

import pytest

from reconciler.demo import configuration, demonstration
from reconciler.sandbox import NO_LIMITS
from reconciler.settings import BudgetSection


class ExistingServer:
    """A database of the test run, in the place of the embedded server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def start(self) -> str:
        return self._url

    def stop(self) -> None:
        """Do nothing: the test run ends its server."""


def wait_for_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration does not wait for the limits of the simulated Stripe."""
    monkeypatch.setattr(demonstration, "SandboxLimits", lambda: NO_LIMITS)
    fast = BudgetSection(
        global_per_second=100_000, endpoint_per_second=100_000, search_per_second=100_000
    )
    monkeypatch.setattr(configuration, "BudgetSection", lambda **_: fast)


@pytest.fixture
def demo_database(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The demonstration uses a database of the test run; its URL."""
    monkeypatch.setattr(demonstration, "EmbeddedPostgres", lambda: ExistingServer(empty_database))
    wait_for_no_limit(monkeypatch)
    return empty_database
