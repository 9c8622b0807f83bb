"""Which column says in whose Stripe account a payment is, and whether a configuration needs it.

Such a column alone proves nothing: a platform that makes every payment in its own account notes a connected account too.
So it counts which payments the key reads. Only if it reads those of some accounts and not those of others, the payments
are in several Stripe accounts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reconciler.domain.sample.agreement import FEW, Agreement
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

MOST_NAMED: Final = 20
"""A column that only its name speaks for, with more values than this, is something else, such as a customer's account."""
_ID: Final = re.compile(r"acct_[A-Za-z0-9]{6,250}")
_NAME: Final = re.compile(
    r"(stripe|connect|connected|merchant|seller|vendor|payment)*(account|acct|merchant)(id|key|name|code|ref)?"
)


def is_account_id(value: str | None) -> bool:
    """Whether a value looks like the id of a Stripe account."""
    return value is not None and _ID.fullmatch(value) is not None


def account_columns(
    table: SampledTable, used: Collection[SampledColumn]
) -> tuple[SampledColumn, ...]:
    """The text columns that may name a Stripe account, the likeliest first: by their values, else by their name."""
    ranked: list[tuple[tuple[bool, bool, int], SampledColumn]] = []
    for column in table.columns:
        present = table.present(column)
        if column in used or column.kind is not ValueKind.TEXT or column.is_unique or not present:
            continue
        has_ids = all(is_account_id(value) for value in present)
        if has_ids or (_is_named(column) and len(set(present)) <= MOST_NAMED):
            ranked.append(((has_ids, column.sql is None, len(present)), column))
    ranked.sort(key=lambda one: one[0], reverse=True)
    return tuple(column for _, column in ranked)


def _is_named(column: SampledColumn) -> bool:
    # of a document's key the part behind the arrow
    letters = re.sub(r"[^a-z]", "", column.name.rpartition("->>")[2].lower())
    return _NAME.fullmatch(letters) is not None


@dataclass(frozen=True, slots=True)
class AccountEvidence:
    """The rows that hold one value of an account column, None for NULL.

    Of those that were compared, the key reads the PaymentIntents of ``read`` rows, and those of ``missing`` rows do not
    exist for it. ``is_connected`` is whether it reads them when it acts for the account.
    """

    value: str | None
    rows: int
    read: int = 0
    missing: int = 0
    is_connected: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the payments are in the account of the key."""
        return Agreement(self.read + self.missing, self.read).is_sure(self._least)

    @property
    def is_foreign(self) -> bool:
        """Whether the payments are in another account."""
        return Agreement(self.read + self.missing, self.missing).is_sure(self._least)

    @property
    def _least(self) -> int:
        return max(1, min(FEW, self.rows))


class AccountUse(StrEnum):
    """Whether a configuration needs the column."""

    NEEDED = "needed"
    NOT_NEEDED = "not needed"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """A column that may name a Stripe account, with the rows of each value, most rows first.

    ``rows_are_sampled`` is whether the rows of the sample alone were counted.
    """

    column: SampledColumn
    values: tuple[AccountEvidence, ...]
    rows_are_sampled: bool = False

    @property
    def use(self) -> AccountUse:
        """Whether the rows are to be told apart by it. Sure only if the key reads some accounts and not others."""
        named = [one for one in self.values if one.value is not None]
        foreign = [one for one in self.values if one.is_foreign]
        compared = [one for one in self.values if one.read + one.missing]
        if not foreign:
            is_whole = all(one.is_own for one in [*named, *compared])
            return AccountUse.NOT_NEEDED if is_whole else AccountUse.UNSURE
        is_divided = all(one.is_own or one.is_foreign for one in compared)
        is_readable = any(one.is_own or one.is_connected for one in self.values)
        # two values of one Stripe account cannot be two accounts of a configuration
        one_own = sum(one.is_own for one in named) <= 1
        # rows without an account would have to be another account's, which nothing names
        null_is_named = all(one.value is not None for one in foreign)
        is_sure = is_divided and is_readable and one_own and null_is_named
        return AccountUse.NEEDED if is_sure else AccountUse.UNSURE

    @property
    def is_worth_a_word(self) -> bool:
        """Whether a person should hear of it: not for one account that the key reads, nor for a name with one value."""
        if self.use is AccountUse.UNSURE:
            named = [one.value for one in self.values if one.value is not None]
            return len(named) > 1 or any(is_account_id(value) for value in named)
        return len(self.values) > 1 or self.use is AccountUse.NEEDED


def best_account(found: Sequence[FoundAccount]) -> FoundAccount | None:
    """The first column that is needed, else the first of all; None if there is none."""
    needed = [one for one in found if one.use is AccountUse.NEEDED]
    return next(iter([*needed, *found]), None)
