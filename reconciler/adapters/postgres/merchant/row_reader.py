"""Reads the rows that the merchant's table returns as payments, and which intents their sessions and charges belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from reconciler.adapters.postgres.database import Connection, Cursor, Database
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.model.looked_up_id import IdPair
from reconciler.domain.model.payment import Payment, TableMapping, is_looked_up
from reconciler.domain.money import to_minor
from reconciler.domain.outcome import Outcome

Row = tuple[
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    datetime | None,
    str | None,
    str | None,
    datetime | None,
]
"""key, payment_intent, status, amount, currency, created, order, stored_id, refunded_at: as the statement ``row`` selects
them. All but the times are text."""


class Answer(Protocol):
    """What a statement has found: a cursor, or rows that are read already."""

    def fetchall(self) -> list[Any]:
        """The rows."""
        ...


LARGEST_AMOUNT: Final = 2**63 - 1
"""What Reconciler's own tables can hold; a larger amount is read as none."""


class RowReader:
    """Turns one account's rows of a mapped table into payments."""

    def __init__(self, mapping: TableMapping, account: str, pairs: IdPairs | None = None) -> None:
        """Without ``pairs``, a row that holds a Checkout Session or a charge keeps that id as its intent."""
        self._pairs = pairs
        self._account = account
        self._outcomes = mapping.statuses.read
        self._is_minor = mapping.amount_unit == "minor"
        self._constant = mapping.currency_constant and mapping.currency_constant.lower()
        self.unreadable: Mapping[str, str] = {}
        """The part of the mapping whose SQL text fails, by the key of the row."""
        self.without_order: frozenset[str] = frozenset()
        """The keys of the rows whose order cannot be read."""

    def read(self, rows: Sequence[Row], connection: Connection) -> tuple[Payment, ...]:
        """The payments that rows stand for, in their order, after reading which intents their ids belong to."""
        if self._pairs is not None:
            self._pairs.fetch((row[1] for row in rows if row[1] is not None), connection)
        return self.payments(rows)

    def payments(self, rows: Sequence[Row]) -> tuple[Payment, ...]:
        """The payments that rows stand for, in their order, as far as the intents of their ids are known."""
        payments = tuple(self._payment(*row) for row in rows)
        if not self.unreadable:
            return payments
        return tuple(
            replace(payment, outcome=Outcome.UNKNOWN, unreadable=part)
            if (part := self.unreadable.get(payment.key)) is not None
            else payment
            for payment in payments
        )

    def _payment(
        self,
        key: str,
        payment_intent: str | None,
        status: str | None,
        amount: str | None,
        stored_currency: str | None,
        created: datetime | None,
        order: str | None,
        stored_id: str | None,
        refunded_at: datetime | None,
    ) -> Payment:
        intent = payment_intent
        if intent is not None and self._pairs is not None:
            intent = self._pairs.intent_of(intent) or intent
        # a padded column has blanks, and merchants write EUR as often as eur
        currency = self._constant
        if currency is None and stored_currency is not None:
            currency = stored_currency.strip().lower() or None
        return Payment(
            account=self._account,
            key=key,
            payment_intent=intent,
            status=status,
            amount=self._minor(amount, currency),
            outcome=Outcome.UNKNOWN
            if status is None
            else self._outcomes.get(status, Outcome.UNKNOWN),
            currency=currency,
            created=created,
            order=order,
            stored_amount=amount,
            stored_currency=stored_currency,
            stored_id=None if stored_id == intent else stored_id,
            updated=refunded_at,
        )

    def _minor(self, stored: str | None, currency: str | None) -> int | None:
        """The amount in minor units; None for null, a fraction of a minor unit, or no known currency."""
        if stored is None:
            return None
        if self._is_minor:
            # a numeric column prints 1250 as 1250.00; a whole number has the minor units of a zero-decimal currency
            minor = (
                int(stored) if stored.lstrip("-").isdecimal() else to_minor(Decimal(stored), "jpy")
            )
        elif currency is None:
            return None
        else:
            minor = to_minor(Decimal(stored), currency)
        return minor if minor is not None and abs(minor) <= LARGEST_AMOUNT else None


_SQL: Final = STATEMENTS["page"]

MOST_KEPT: Final = 100_000
"""So many pairs stay in memory; the stored ones are read again after that."""


class IdPairs:
    """The pairs, in memory and in Reconciler's table. Without the table, or in a dry run, they live in memory alone.

    One for each store, and safe to share between its threads.
    """

    def __init__(self, database: Database, account: str, *, readable: bool) -> None:
        self._database = database
        self._account = account
        self._readable = readable
        self._pairs: dict[str, IdPair] = {}
        self._unsaved: set[str] = set()
        self._by_intent: defaultdict[str, set[str]] = defaultdict(set)

    def intent_of(self, text: str) -> str | None:
        """The intent that a column's text is paired with, None if it is none that is known."""
        pair = self._pairs.get(text)
        return None if pair is None else pair.payment_intent

    def ids_of(self, intents: Iterable[str]) -> list[str]:
        """The texts that are paired with these intents, as far as they are in memory."""
        return [text for intent in intents for text in self._by_intent.get(intent, ())]

    def ask(self, connection: Connection, intents: Sequence[str]) -> Cursor | None:
        """Ask for the stored pairs of intents. Meant for a pipeline; ``take`` reads the answer."""
        if not self._readable:
            return None
        # an id may be any text that a person or Stripe gave, and PostgreSQL's text cannot hold NUL
        named = [intent for intent in intents if "\x00" not in intent]
        parameters = {"account": self._account, "intents": named}
        return connection.execute(_SQL["pairs_of_intents"], parameters)

    def take(self, answer: Cursor | None, intents: Iterable[str]) -> bool:
        """Take the answer of ``ask`` over; whether it has a pair that was not in memory."""
        if answer is None:
            return False
        stored = [IdPair(*row) for row in answer.fetchall()]

        # a pair in memory that is stored no more, or with another intent, was corrected by another process
        names = {pair.stored_id for pair in stored}
        for text in self.ids_of(list(intents)):
            if text not in names and text not in self._unsaved:
                self._forget(text)
        known = [text for text in names if text in self._pairs]
        self._keep(stored)
        return len(known) < len(names)

    def fetch(self, texts: Iterable[str], connection: Connection | None = None) -> None:
        """Read the stored pairs of texts that are not in memory."""
        # nearly every row holds a PaymentIntent
        others = {text for text in texts if not text.startswith("pi_")} - self._pairs.keys()
        wanted = sorted(text for text in others if is_looked_up(text))
        if not wanted or not self._readable:
            return
        parameters = {"account": self._account, "ids": wanted}
        if connection is not None:
            rows = connection.execute(_SQL["pairs_of_ids"], parameters).fetchall()
        else:
            with self._database.connection(
                "reading the PaymentIntents of sessions and charges"
            ) as own:
                rows = own.execute(_SQL["pairs_of_ids"], parameters).fetchall()
        self._keep(IdPair(*row) for row in rows)

    def known(self, texts: Iterable[str]) -> Mapping[str, IdPair]:
        """What is known of these texts."""
        wanted = list(texts)
        if len(self._pairs) > MOST_KEPT and not self._unsaved:
            self._pairs.clear()
            self._by_intent.clear()
        self.fetch(wanted)
        return {text: pair for text in wanted if (pair := self._pairs.get(text)) is not None}

    def remember(self, pairs: Sequence[IdPair], *, store: bool) -> None:
        """Keep pairs; with ``store`` in Reconciler's table too."""
        self._keep(pairs)
        if not store:
            self._unsaved.update(pair.stored_id for pair in pairs)
            return
        parameters = {
            "account": self._account,
            "ids": [pair.stored_id for pair in pairs],
            "intents": [pair.payment_intent for pair in pairs],
            "rechecks": [pair.recheck_at for pair in pairs],
        }
        with self._database.connection(
            "storing the PaymentIntents of sessions and charges"
        ) as connection:
            connection.execute(_SQL["pairs_put"], parameters)

    def _keep(self, pairs: Iterable[IdPair]) -> None:
        for pair in pairs:
            self._forget(pair.stored_id)
            self._pairs[pair.stored_id] = pair
            if pair.payment_intent is not None:
                self._by_intent[pair.payment_intent].add(pair.stored_id)

    def _forget(self, text: str) -> None:
        pair = self._pairs.pop(text, None)
        if pair is not None and pair.payment_intent is not None:
            self._by_intent[pair.payment_intent].discard(text)
