"""A shop, and the sweeps over it."""

from __future__ import annotations

import pytest

from tests.conftest import MakeShop
from tests.integration.engine.sweeps import SweepRunner


@pytest.fixture
def sweeps(shop: MakeShop) -> SweepRunner:
    """Sweeps over a shop with the simplest table."""
    return SweepRunner(shop())
