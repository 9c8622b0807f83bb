"""Tests of many alike cases: some of them are tried in the usual run, and all others behind ``-m long``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def some_quick(
    names: str | tuple[str, ...],
    cases: Iterable[Any],
    *,
    quick: int | Collection[int],
    ids: Iterable[str] | None = None,
) -> pytest.MarkDecorator:
    """Parametrize a test as pytest does; ``quick`` is how many of the first cases stay, or the positions of those that do.

    Raises ValueError if no case stays, or all of them.
    """
    made = list(cases)
    stay = range(quick) if isinstance(quick, int) else quick
    kept = [number for number in range(len(made)) if number in stay]
    if not 0 < len(kept) < len(made):
        raise ValueError(f"{len(kept)} of {len(made)} cases of {names} stay in the usual run")
    several = not isinstance(names, str) or "," in names
    parameters = [
        case
        if number in kept
        else pytest.param(*(case if several else (case,)), marks=pytest.mark.long)
        for number, case in enumerate(made)
    ]
    return pytest.mark.parametrize(names, parameters, ids=ids)
