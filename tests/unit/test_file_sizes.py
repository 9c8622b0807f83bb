"""A file stays short enough to be read at once."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LONGEST = 350
LONGEST_IN_THE_DOMAIN = 200
LONGER = {
    "reconciler/adapters/postgres/merchant/catalog.py": 361,
    "reconciler/adapters/postgres/merchant/inspection.py": 362,
    "reconciler/adapters/postgres/merchant/merchant_table.py": 438,
    "reconciler/adapters/postgres/page/store.py": 446,
    "reconciler/domain/findings/discrepancy.py": 235,
    "reconciler/domain/model/payment.py": 202,
    "reconciler/domain/read_limits_and_shortage.py": 241,
    "reconciler/domain/rules/comparison.py": 245,
    "reconciler/domain/rules/correction_blockers.py": 236,
    "reconciler/domain/rules/next_step.py": 217,
    "reconciler/engine/page/page_changes.py": 352,
    "reconciler/engine/page/reconcile_page.py": 359,
    "reconciler/engine/ports.py": 428,
    "reconciler/engine/report.py": 352,
    "reconciler/engine/sweep/sweep.py": 390,
    "reconciler/entrypoints/service/account_sweeps.py": 369,
    "reconciler/settings/loading.py": 363,
    "reconciler/settings/sections.py": 407,
    "reconciler/settings/values.py": 364,
}
"""The files over the bound, with their lines. An entry may shrink or go, and no other may come."""


def bound_of(path: str) -> int:
    return LONGEST_IN_THE_DOMAIN if path.startswith("reconciler/domain/") else LONGEST


LINES = {
    str(path.relative_to(REPOSITORY)): len(path.read_text(encoding="utf-8").splitlines())
    for path in (REPOSITORY / "reconciler").rglob("*.py")
}


def test_no_file_grows_past_its_bound() -> None:
    """A file of the domain has at most 200 lines and any other at most 350; the few that are longer do not grow."""
    grown = {
        path: f"{lines} lines, at most {LONGER.get(path, bound_of(path))}"
        for path, lines in LINES.items()
        if lines > LONGER.get(path, bound_of(path))
    }
    assert grown == {}


@pytest.mark.parametrize("path", LONGER)
def test_a_file_that_became_short_is_no_exception(path: str) -> None:
    """What is gained is kept: a file that has shrunk by ten lines, or below its bound, gets its new number here."""
    assert bound_of(path) < LINES[path]
    assert LONGER[path] < LINES[path] + 10
