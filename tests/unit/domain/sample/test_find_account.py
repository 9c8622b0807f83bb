"""Which column names a Stripe account, and whether the rows have to be told apart by it: the key's reads prove that."""

from __future__ import annotations

import pytest

from reconciler.domain.sample.find_account import (
    AccountEvidence,
    AccountUse,
    FoundAccount,
    account_columns,
    best_account,
)
from reconciler.domain.sample.sampled_table import SampledColumn, SampledTable, ValueKind

EU, US = "acct_1Europe", "acct_1America"
COLUMN = SampledColumn("stripe_account", ValueKind.TEXT)


def columns_of(*columns: tuple[SampledColumn, list[str | None]]) -> list[str]:
    """The names of the columns that come into question."""
    made = tuple(column for column, _ in columns)
    rows = tuple(zip(*(values for _, values in columns), strict=True))
    return [column.name for column in account_columns(SampledTable("public.t", made, rows), [])]


def text(
    name: str, *values: str | None, sql: str | None = None
) -> tuple[SampledColumn, list[str | None]]:
    return SampledColumn(name, ValueKind.TEXT, sql), list(values)


class TestColumns:
    """By the values, else by the name."""

    def test_ids_under_any_name(self) -> None:
        """Values that look like accounts are enough, and NULL in most rows does not matter; a column comes before a document."""
        found = columns_of(
            text("d->>'dest'", EU, US, None, sql="t.d->>'dest'"), text("owner", None, None, EU)
        )
        assert found == ["owner", "d->>'dest'"]

    def test_words_under_a_name_that_fits(self) -> None:
        """Names of the shop's own for its accounts; in a document the name is that of the key."""
        for name in (
            "stripe_account",
            "accountId",
            "merchant_id",
            "connected_account",
            "data->>'stripeAccountId'",
        ):
            assert columns_of(text(name, "eu", "us")) == [name]

    def test_what_is_none(self) -> None:
        """Other names, numbers, an account of each customer, a unique column, a column without values."""
        number = SampledColumn("account_id", ValueKind.INTEGER), ["1", "2"]
        unique = SampledColumn("account_id", ValueKind.TEXT, is_unique=True), [EU, US]
        assert columns_of(number) == []
        assert columns_of(unique) == []
        assert columns_of(text("account_id", None, " ")) == []
        for name in ("account_holder", "account_type", "bank_account", "customer_id"):
            assert columns_of(text(name, "eu", "us")) == []
        assert columns_of(text("account_id", *(f"c{number}" for number in range(21)))) == []

    def test_ids_of_many_accounts(self) -> None:
        """A platform has more than a few; a used column is none."""
        many = text("a", *(f"acct_00000{number}" for number in range(40)))
        assert columns_of(many) == ["a"]
        table = SampledTable("t", (many[0],), tuple((value,) for value in many[1]))
        assert account_columns(table, [many[0]]) == ()


def evidence(
    value: str | None, read: int = 0, missing: int = 0, *, rows: int = 40, connected: bool = False
) -> AccountEvidence:
    return AccountEvidence(value, rows, read, missing, connected)


def found(*values: AccountEvidence) -> FoundAccount:
    return FoundAccount(COLUMN, values)


NEEDED, NOT_NEEDED, UNSURE = AccountUse.NEEDED, AccountUse.NOT_NEEDED, AccountUse.UNSURE


@pytest.mark.parametrize(
    ("values", "use"),
    [
        ([evidence(EU, 9), evidence(US, 0, 9)], NEEDED),
        ([evidence(None, 9), evidence(US, 0, 9)], NEEDED),
        ([evidence(None, 9), evidence(EU, 9), evidence(US, 0, 9)], NEEDED),
        # an account with two rows, and one that was not compared
        ([evidence(EU, 9), evidence(US, 0, 2, rows=2), evidence("acct_1Another")], NEEDED),
        # a platform's key reads them when it acts for them
        ([evidence(US, 0, 9, connected=True)], NEEDED),
        # a platform that makes each payment in its own account, for a connected one
        ([evidence(EU, 9), evidence(US, 9), evidence(None, 9)], NOT_NEEDED),
        ([evidence(EU, 9)], NOT_NEEDED),
        # rows without a PaymentIntent have no account yet
        ([evidence(EU, 9), evidence(None)], NOT_NEEDED),
        ([evidence(EU), evidence(US)], UNSURE),
        ([evidence(EU, 9), evidence(US)], UNSURE),
        ([evidence(EU, 9), evidence(None, 2, 2)], UNSURE),
        # no account is read at all: the key may be wrong
        ([evidence(EU, 0, 9), evidence(US, 0, 9)], UNSURE),
        # test payments in an account: nothing divides the rows
        ([evidence(EU, 5, 5), evidence(US, 0, 9)], UNSURE),
        # two names for one account
        ([evidence("eu", 9), evidence("fr", 9), evidence(US, 0, 9)], UNSURE),
        ([evidence(EU, 9), evidence(None, 0, 9)], UNSURE),
    ],
)  # fmt: skip
def test_whether_the_column_is_needed(values: list[AccountEvidence], use: AccountUse) -> None:
    """Only if the key reads the payments of some accounts and not those of others."""
    assert found(*values).use is use


@pytest.mark.parametrize(
    ("values", "is_worth_a_word"),
    [
        ([evidence(EU, 9)], False),
        ([evidence(EU, 9), evidence(US, 9)], True),
        ([evidence("eu"), evidence(None)], False),
        ([evidence("eu"), evidence("us")], True),
        ([evidence(EU), evidence(None)], True),
        ([evidence(US, 0, 9, connected=True)], True),
    ],
)
def test_what_a_person_hears_of(values: list[AccountEvidence], is_worth_a_word: bool) -> None:
    """One account that the key reads needs no word, nor does a name with one value."""
    assert found(*values).is_worth_a_word is is_worth_a_word


def test_the_best_column() -> None:
    """One that is needed comes before a likelier name."""
    unsure, needed = found(evidence(EU)), found(evidence(EU, 9), evidence(US, 0, 9))
    assert best_account([unsure, needed]) is needed
    assert best_account([unsure]) is unsure
    assert best_account([]) is None
