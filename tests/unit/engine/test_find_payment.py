"""Which payments a person's text names, and what they are to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.domain.findings.history_item import HistoryItem
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.found_row import FoundRow, ReadAs
from reconciler.domain.model.payment import Payment
from reconciler.domain.outcome import Outcome
from reconciler.engine.actions.find_payment import NamedPayment, PaymentFinder


@dataclass
class Rows:
    """The rows of a table in memory. ``paired`` are the intents of sessions, by account."""

    rows: tuple[FoundRow, ...]
    paired: tuple[tuple[str, str], ...] = ()

    def holding(self, texts: Sequence[str]) -> tuple[FoundRow, ...]:
        return tuple(row for row in self.rows if row.payment.payment_intent in texts)

    def with_key(self, text: str) -> tuple[FoundRow, ...]:
        return tuple(row for row in self.rows if row.payment.key == text)

    def with_order(self, text: str) -> tuple[FoundRow, ...]:
        return tuple(row for row in self.rows if row.payment.order == text)

    def intents_of(self, text: str) -> tuple[tuple[str, str], ...]:
        return self.paired if text.startswith("cs_") else ()


class NoRecords:
    """Nothing is stored."""

    def discrepancies(
        self, accounts: Sequence[str], names: Sequence[str]
    ) -> tuple[Discrepancy, ...]:
        return ()

    def naming_payer(self, accounts: Sequence[str], intent: str) -> tuple[Discrepancy, ...]:
        return ()

    def of_orders(self, account: str, orders: Sequence[str]) -> tuple[Discrepancy, ...]:
        return ()

    def discrepancy(self, number: int, account: str | None = None) -> Discrepancy | None:
        return None

    def history(
        self, account: str, names: Sequence[str], discrepancies: Sequence[Discrepancy]
    ) -> tuple[HistoryItem, ...]:
        raise AssertionError("no account is known")


def row(key: str, intent: str | None, order: str, account: str | None = "eu") -> FoundRow:
    payment = Payment(account or "", key, intent, "pending", Outcome.INCOMPLETE, 5, "eur")
    return FoundRow(replace(payment, order=order, excluded=account is None), account)


def find(text: str, *rows: FoundRow, paired: tuple[tuple[str, str], ...] = ()) -> list[object]:
    found = finder(*rows, paired=paired).find(text)
    return [(one.read_as, one.account, one.payment_intent, len(one.rows)) for one in found]


def finder(*rows: FoundRow, paired: tuple[tuple[str, str], ...] = ()) -> PaymentFinder:
    return PaymentFinder(("eu", "us"), Rows(rows, paired), NoRecords())


def test_rows_that_hold_one_intent_are_one_payment() -> None:
    """Two rows of an order with one intent are one payment; with two intents they are two."""
    one, two = row("1", "pi_1", "9"), row("2", "pi_1", "9")
    assert find("9", one, two) == [((ReadAs.ORDER,), "eu", "pi_1", 2)]
    assert len(find("9", one, row("2", "pi_2", "9"))) == 2


def test_one_payment_may_be_named_twice() -> None:
    """A row whose key and order are the same text is one payment, read as both."""
    assert find("9", row("9", "pi_1", "9")) == [((ReadAs.KEY, ReadAs.ORDER), "eu", "pi_1", 1)]


def test_rows_of_no_account_stand_with_the_payment_of_an_account() -> None:
    """A row that belongs to no account is shown beside the one that does, and alone if there is none."""
    own, stray = row("1", "pi_1", "9"), row("2", "pi_1", "8", account=None)
    assert find("pi_1", own, stray) == [((ReadAs.INTENT,), "eu", "pi_1", 2)]
    assert find("pi_1", stray) == [((ReadAs.INTENT,), None, "pi_1", 1)]


def test_ids_that_nothing_here_knows() -> None:
    """They are one payment without an account; any other text names nothing."""
    assert find("pi_1") == [((ReadAs.INTENT,), None, "pi_1", 0)]
    (session,) = finder().find("cs_test_1")
    assert session == NamedPayment((ReadAs.SESSION,), None, None, (), "cs_test_1")
    assert find("order 1") == []
    assert finder().local_side(session).history == ()


def test_a_session_that_is_known() -> None:
    """Its pairing names account and intent, with the rows that hold the intent or without."""
    assert find("cs_1", paired=(("eu", "pi_1"),)) == [((ReadAs.SESSION,), "eu", "pi_1", 0)]
    assert find("cs_1", row("1", "pi_1", "9"), paired=(("eu", "pi_1"),)) == [
        ((ReadAs.SESSION,), "eu", "pi_1", 1)
    ]


def test_accounts_of_intents() -> None:
    """With None if one of them is known nowhere."""
    rows = (row("1", "pi_1", "9"), row("2", "pi_2", "8", account="us"))
    assert finder(*rows).accounts_of(["pi_1"]) == {"eu"}
    assert finder(*rows).accounts_of(["pi_1", "pi_2"]) == {"eu", "us"}
    assert finder(*rows).accounts_of(["pi_1", "pi_3"]) == {"eu", None}
