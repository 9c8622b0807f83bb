"""Which replica should hold which account: as evenly as can be, with as little moving as can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

UNEVEN: Final = 2
"""One account more than another replica is as even as whole accounts allow; two more is one too many."""


def assign_accounts(
    holders: Mapping[str, str | None], eligible: Mapping[str, Collection[str]]
) -> Mapping[str, str]:
    """Who should hold each account, from who holds it now and the live replicas that are able to work on it.

    An account stays where it is, unless its holder is not able or has two more than another that is. One that nobody
    able holds goes to whoever has fewest. One that nobody is able to work on is left out: it stays with whoever has it.
    Whoever sees the same comes to the same, and where shares are even nothing moves.
    """
    placed = {
        account: holder
        for account, holder in sorted(holders.items())
        if holder is not None and holder in eligible[account]
    }
    load: Counter[str] = Counter(dict.fromkeys(set().union(*eligible.values()), 0))
    load.update(placed.values())
    for account in sorted(holders):
        if account not in placed and eligible[account]:
            placed[account] = _least(load, eligible[account])
            load[placed[account]] += 1
    while (move := _move(placed, load, eligible)) is not None:
        account, to = move
        load[placed[account]] -= 1
        load[to] += 1
        placed[account] = to
    return placed


def _least(load: Mapping[str, int], among: Collection[str]) -> str:
    return min(among, key=lambda name: (load[name], name))


def _move(
    placed: Mapping[str, str], load: Mapping[str, int], eligible: Mapping[str, Collection[str]]
) -> tuple[str, str] | None:
    """The next account to move and to whom: from whoever has most to whoever has fewest, None where it is even."""
    possible = [
        (load[holder] - load[to], load[holder], account, to)
        for account, holder in placed.items()
        for to in (_least(load, eligible[account]),)
        if load[holder] - load[to] >= UNEVEN
    ]
    if not possible:
        return None
    *_, account, to = min(possible, key=lambda item: (-item[0], -item[1], item[2], item[3]))
    return account, to
