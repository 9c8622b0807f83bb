"""A shop and the sweeps over it."""

from __future__ import annotations

import pytest

from tests.conftest import MakeShop
from tests.integration.engine.sweeps import SweepRunner


@pytest.fixture
def sweeps(shop: MakeShop) -> SweepRunner:
    """SweepRunner over the plainest of shops."""
    return SweepRunner(shop())
