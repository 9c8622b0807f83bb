"""Which replica of the service works on which account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Final

UNEVEN: Final = 2
"""Two replicas are uneven if one has this many accounts more than the other. With one more they cannot be more even."""


def assign_accounts(
    holders: Mapping[str, str | None], eligible: Mapping[str, Collection[str]]
) -> Mapping[str, str]:
    """The replica that works on each account: evenly, and with as few moves as possible.

    ``holders`` are the replicas that hold the accounts now; ``eligible`` are the live replicas that can work on each
    account. An account stays with an eligible holder, unless that holder has two accounts more than another eligible
    replica. An account without an eligible holder goes to the eligible replica with the fewest accounts. An account
    without an eligible replica is left out of the result. The same input gives every replica the same result.
    """
    assigned = {
        account: holder
        for account, holder in sorted(holders.items())
        if holder is not None and holder in eligible[account]
    }
    # replicas without an account count too: they are the first to receive one
    load: Counter[str] = Counter(dict.fromkeys(set().union(*eligible.values()), 0))
    load.update(assigned.values())

    # in the order of names, so that every replica computes the same assignment
    for account in sorted(holders):
        if account not in assigned and eligible[account]:
            assigned[account] = _least_loaded(load, eligible[account])
            load[assigned[account]] += 1

    while (move := _next_move(assigned, load, eligible)) is not None:
        account, to = move
        load[assigned[account]] -= 1
        load[to] += 1
        assigned[account] = to
    return assigned


def _least_loaded(load: Mapping[str, int], among: Collection[str]) -> str:
    """The replica with the fewest accounts; of several, the first by name."""
    return min(among, key=lambda name: (load[name], name))


def _next_move(
    assigned: Mapping[str, str], load: Mapping[str, int], eligible: Mapping[str, Collection[str]]
) -> tuple[str, str] | None:
    """The next account to move and the replica that receives it; None if no two replicas are uneven.

    The move is the one between the two replicas that differ most; of several, from the replica with the most accounts.
    """
    possible: list[tuple[int, int, str, str]] = []
    for account, holder in assigned.items():
        to = _least_loaded(load, eligible[account])
        difference = load[holder] - load[to]
        if difference >= UNEVEN:
            possible.append((difference, load[holder], account, to))
    if not possible:
        return None
    *_, account, to = min(possible, key=lambda item: (-item[0], -item[1], item[2], item[3]))
    return account, to
