"""Tests over random worlds: each seed makes one world. Few seeds are tried by default, many in the tests marked ``long``.

A failing assertion names the seed of its world.
"""

from __future__ import annotations

import pytest


def seeds(*, few: int, many: int) -> pytest.MarkDecorator:
    """Give a test the argument ``numbers``: the first ``few`` seeds, or ``many`` others behind ``-m long``."""
    return pytest.mark.parametrize(
        "numbers",
        [
            pytest.param(range(few), id="few"),
            pytest.param(range(few, few + many), id="many", marks=pytest.mark.long),
        ],
    )
