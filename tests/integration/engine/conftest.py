"""A shop and the passes over it."""

from __future__ import annotations

import pytest

from tests.conftest import MakeShop
from tests.integration.engine.passes import Passes


@pytest.fixture
def passes(shop: MakeShop) -> Passes:
    """Passes over the plainest of shops."""
    return Passes(shop())
