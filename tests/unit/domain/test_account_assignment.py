"""Which replica works on which account, over every small case."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest

from reconciler.domain.account_assignment import assign_accounts

ACCOUNTS = ("eu", "jp", "uk", "us", "za")
REPLICAS = ("a", "b", "c", "d")


def groups(
    accounts: int, replicas: int, *others: str
) -> Iterator[tuple[dict[str, str | None], dict[str, frozenset[str]]]]:
    """Every way in which live replicas, and ``others`` that are not live, may hold accounts."""
    names = REPLICAS[:replicas]
    for held in product((None, *names, *others), repeat=accounts):
        holders = dict(zip(ACCOUNTS, held, strict=False))
        yield holders, dict.fromkeys(holders, frozenset(names))


SIZES = [(accounts, replicas) for accounts in range(1, 6) for replicas in range(1, 5)]


@pytest.mark.parametrize(("accounts", "replicas"), SIZES)
def test_shares_are_even(accounts: int, replicas: int) -> None:
    """No replica has more than accounts divided by replicas, rounded up, and no two differ by more than one account."""
    for holders, eligible in groups(accounts, replicas, "a single sweep"):
        load = Counter(assign_accounts(holders, eligible).values())
        each = [load[name] for name in REPLICAS[:replicas]]
        assert sum(each) == accounts
        assert max(each) == math.ceil(accounts / replicas)
        assert max(each) - min(each) <= 1


@pytest.mark.parametrize(("accounts", "replicas"), SIZES)
def test_nothing_moves_without_need(accounts: int, replicas: int) -> None:
    """An even assignment stays, an uneven one loses only what is too many, and a second assignment changes nothing."""
    for holders, eligible in groups(accounts, replicas):
        shares = assign_accounts(holders, eligible)
        assert assign_accounts(shares, eligible) == shares
        before = Counter(holder for holder in holders.values() if holder)
        most = math.ceil(accounts / replicas)
        moved = {
            account for account, holder in holders.items() if holder not in (None, shares[account])
        }
        spread = [before[name] for name in REPLICAS[:replicas]]
        if max(spread) - min(spread) <= 1:
            assert not moved
        least = accounts // replicas
        too_many = sum(max(0, count - most) for count in spread)
        too_few = sum(max(0, least - count) for count in spread)
        assert len(moved) <= max(too_many, too_few)


@pytest.mark.parametrize(("accounts", "replicas"), SIZES)
def test_an_account_that_was_released_does_not_come_back(accounts: int, replicas: int) -> None:
    """A replica that has to release an account does not receive it again."""
    for holders, eligible in groups(accounts, replicas):
        shares = assign_accounts(holders, eligible)
        for account, holder in holders.items():
            if holder in (None, shares[account]):
                continue
            given: dict[str, str | None] = {**holders, account: None}
            assert assign_accounts(given, eligible)[account] != holder


def test_only_an_eligible_replica_receives_an_account() -> None:
    """An account leaves a holder that is not eligible, and it is left out if no replica is eligible."""
    for eligible in product((frozenset[str](), {"a"}, {"b"}, {"a", "b"}), repeat=3):
        known = dict(zip(ACCOUNTS, map(frozenset, eligible), strict=False))
        for held in product((None, "a", "b", "dead"), repeat=3):
            holders = dict(zip(ACCOUNTS, held, strict=False))
            shares = assign_accounts(holders, known)
            assert set(shares) == {account for account in holders if known[account]}
            assert all(shares[account] in known[account] for account in shares)


def test_no_accounts_and_no_replicas() -> None:
    """Without live replicas, or without accounts, the assignment is empty."""
    assert assign_accounts({}, {}) == {}
    assert assign_accounts({"eu": "a"}, {"eu": frozenset()}) == {}
