"""A shop and the sweeps over it."""

from __future__ import annotations

import pytest

from tests.conftest import MakeShop
from tests.integration.engine.sweeps import Passes


@pytest.fixture
def sweeps(shop: MakeShop) -> Passes:
    """Passes over the plainest of shops."""
    return Passes(shop())
