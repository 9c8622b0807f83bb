"""Finds the payments that a person's text names, over all accounts, and all that is stored about them. Asks Stripe nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from reconciler.domain.findings.history_item import HistoryItem
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.found_row import FoundRow, ReadAs
from reconciler.domain.model.payment import StoredIdKind, is_intent_id, is_looked_up, stored_id
from reconciler.masking import storable

_KINDS: Final = {
    StoredIdKind.INTENT: ReadAs.INTENT,
    StoredIdKind.CLIENT_SECRET: ReadAs.INTENT,
    StoredIdKind.SESSION: ReadAs.SESSION,
    StoredIdKind.CHARGE: ReadAs.CHARGE,
}


class PaymentLookup(Protocol):
    """The rows of the merchant's table, over all accounts and whether inside the mapping or not. At most 101 an answer."""

    def holding(self, texts: Sequence[str]) -> tuple[FoundRow, ...]:
        """Rows that hold one of these ids, or a Checkout Session or a charge that is known to belong to one of them."""
        ...

    def with_key(self, text: str) -> tuple[FoundRow, ...]:
        """The row that has this key."""
        ...

    def with_order(self, text: str) -> tuple[FoundRow, ...]:
        """Rows of this order; none if orders are not mapped."""
        ...

    def intents_of(self, text: str) -> tuple[tuple[str, str], ...]:
        """The accounts and PaymentIntents that a Checkout Session or a charge is known to stand for."""
        ...


class PaymentRecords(Protocol):
    """What Reconciler's own tables say of payments. A name is a PaymentIntent's id, or ``row:KEY``."""

    def discrepancies(
        self, accounts: Sequence[str], names: Sequence[str]
    ) -> tuple[Discrepancy, ...]:
        """The discrepancies of these accounts about the payments of these names, by number."""
        ...

    def naming_payer(self, accounts: Sequence[str], intent: str) -> tuple[Discrepancy, ...]:
        """The open discrepancies of these accounts that name this PaymentIntent as the one that paid the order."""
        ...

    def of_orders(self, account: str, orders: Sequence[str]) -> tuple[Discrepancy, ...]:
        """The discrepancies of an account about these orders that are open, or that a person settled, by number."""
        ...

    def discrepancy(self, number: int, account: str | None = None) -> Discrepancy | None:
        """The discrepancy of this number, of any account if none is given."""
        ...

    def history(
        self, account: str, names: Sequence[str], discrepancies: Sequence[Discrepancy]
    ) -> tuple[HistoryItem, ...]:
        """Everything that happened to a payment, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class NamedPayment:
    """A payment that a text names. ``read_as`` is what the text is to it.

    ``account`` is None if neither a row nor a discrepancy says to which account it belongs. ``payment_intent`` is None if
    no row says which it is; ``looked_up`` is the Checkout Session or charge to ask Stripe about then.
    """

    read_as: tuple[ReadAs, ...]
    account: str | None
    payment_intent: str | None
    rows: tuple[FoundRow, ...] = ()
    looked_up: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Under which names Reconciler's tables may know the payment."""
        keys = [f"row:{row.payment.key}" for row in self.rows]
        intents = [self.payment_intent] if self.payment_intent is not None else []
        return tuple(storable(name) for name in (*intents, *keys))


@dataclass(frozen=True, slots=True)
class LocalSide:
    """All that is known of a payment without Stripe."""

    named: NamedPayment
    discrepancies: tuple[Discrepancy, ...] = ()
    history: tuple[HistoryItem, ...] = ()
    payer_of: tuple[Discrepancy, ...] = ()
    """The open discrepancies of other PaymentIntents that name this one as the one that paid the order."""
    of_order: tuple[Discrepancy, ...] = ()
    """Those of the other payments and rows of its order that are open, or that a person settled."""

    @property
    def all_discrepancies(self) -> tuple[Discrepancy, ...]:
        """All discrepancies that a person sees with the payment, each once: its own, and those of its order."""
        every = (*self.discrepancies, *self.payer_of, *self.of_order)
        return tuple({(one.account, one.id): one for one in every}.values())


@dataclass(frozen=True, slots=True)
class PaymentFinder:
    """Finds payments of any account. ``accounts`` are the configured ones. Every method raises what the database raises."""

    accounts: tuple[str, ...]
    lookup: PaymentLookup
    records: PaymentRecords = field(repr=False)

    def find(self, text: str) -> tuple[NamedPayment, ...]:
        """The payments that a text names, as PaymentIntent, Checkout Session, charge, row key or order.

        A PaymentIntent, Checkout Session or charge that nothing here knows is one payment without an account. Any other
        text that names nothing here gives none.
        """
        known = stored_id(text)
        found: list[NamedPayment] = []
        if known.kind in _KINDS:
            found += self._of_id(known.id, _KINDS[known.kind])
        found += _of_rows(self.lookup.with_key(text), ReadAs.KEY)
        found += _of_rows(self.lookup.with_order(text), ReadAs.ORDER)
        if not found and known.kind in _KINDS:
            is_intent = _KINDS[known.kind] is ReadAs.INTENT
            intent, looked_up = (known.id, None) if is_intent else (None, known.id)
            found.append(NamedPayment((_KINDS[known.kind],), None, intent, (), looked_up))
        return _merged(found)

    def accounts_of(self, intents: Sequence[str]) -> frozenset[str | None]:
        """The accounts whose rows or discrepancies name these PaymentIntents; with None if one is known nowhere."""
        accounts: dict[str, set[str]] = {intent: set() for intent in intents}
        known = [(row.payment.payment_intent, row.account) for row in self.lookup.holding(intents)]
        found = self.records.discrepancies(self.accounts, intents)
        for intent, account in [*known, *((one.payment_intent, one.account) for one in found)]:
            if intent in accounts and account is not None:
                accounts[intent].add(account)
        names: set[str | None] = {name for found_in in accounts.values() for name in found_in}
        if not all(accounts.values()):
            names.add(None)
        return frozenset(names)

    def of_discrepancy(self, number: int) -> NamedPayment | None:
        """The payment that a discrepancy is about; None if there is no such discrepancy."""
        discrepancy = self.records.discrepancy(number)
        if discrepancy is None:
            return None
        rows = [
            row
            for key in discrepancy.keys
            for row in self.lookup.with_key(key)
            if row.account == discrepancy.account
        ]
        intent = discrepancy.payment_intent
        if intent is not None:
            rows += [row for row in self.lookup.holding([intent]) if row not in rows]
        return NamedPayment((), discrepancy.account, intent, tuple(rows))

    def local_side(self, named: NamedPayment) -> LocalSide:
        """The discrepancies and the history of a payment. They are empty as long as its account is not known."""
        if named.account is None:
            return LocalSide(named)
        # a relinked row has the subject of the row, and names the PaymentIntent that it held before
        discrepancies = self.records.discrepancies([named.account], named.names)
        names = dict.fromkeys((*named.names, *(one.subject for one in discrepancies)))
        history = self.records.history(named.account, tuple(names), discrepancies)
        intent = named.payment_intent
        payer_of = self.records.naming_payer([named.account], intent) if intent else ()
        orders = [row.payment.order for row in named.rows] + [one.order for one in discrepancies]
        about = tuple(dict.fromkeys(storable(order) for order in orders if order))
        known = {one.id for one in (*discrepancies, *payer_of)}
        of_order = self.records.of_orders(named.account, about) if about else ()
        others = tuple(one for one in of_order if one.id not in known)
        return LocalSide(named, discrepancies, history, payer_of, others)

    def in_account(self, named: NamedPayment, account: str, intent: str | None) -> NamedPayment:
        """The same payment, now that its account and PaymentIntent are known from Stripe."""
        intent = intent or named.payment_intent
        rows = named.rows
        if intent is not None and intent != named.payment_intent:
            held = {(row.account, row.payment.key): row for row in self.lookup.holding([intent])}
            rows = (*rows, *(row for row in held.values() if row not in rows))
        return replace(named, account=account, payment_intent=intent, rows=rows)

    def _of_id(self, text: str, read_as: ReadAs) -> list[NamedPayment]:
        pairs = [] if read_as is ReadAs.INTENT else list(self.lookup.intents_of(text))
        intents = [intent for _, intent in pairs]
        rows = self.lookup.holding([text, *intents])
        found = _of_rows(rows, read_as)
        known = {(one.account, one.payment_intent) for one in found}
        found += [
            NamedPayment((read_as,), account, intent)
            for account, intent in pairs
            if (account, intent) not in known
        ]
        for discrepancy in self.records.discrepancies(self.accounts, [text, *intents]):
            about = discrepancy.payment_intent
            if (discrepancy.account, about) not in known:
                known.add((discrepancy.account, about))
                found.append(NamedPayment((read_as,), discrepancy.account, about))
        if read_as is ReadAs.INTENT and not found:
            # no row holds the intent that paid an order under another one
            for account in dict.fromkeys(
                one.account for one in self.records.naming_payer(self.accounts, text)
            ):
                found.append(NamedPayment((read_as,), account, text))
        return found


def _of_rows(rows: Iterable[FoundRow], read_as: ReadAs) -> list[NamedPayment]:
    return [_of_row(row, read_as) for row in rows]


def _of_row(row: FoundRow, read_as: ReadAs) -> NamedPayment:
    held = row.payment.payment_intent
    intent = held if held is not None and is_intent_id(held) else None
    looked_up = held if held is not None and is_looked_up(held) else None
    return NamedPayment((read_as,), row.account, intent, (row,), looked_up)


def _merged(found: Iterable[NamedPayment]) -> tuple[NamedPayment, ...]:
    """The payments, each once: rows of one account that hold the same id are one payment."""
    merged: dict[tuple[str | None, str], NamedPayment] = {}
    for one in found:
        row = one.rows[0] if one.rows else None
        own = f"row:{row.payment.key}" if row is not None else ""
        # two rows outside of every account are only the same if they hold the same id
        identity = (one.account, one.payment_intent or one.looked_up or own)
        before = merged.get(identity)
        if before is not None:
            rows = (*before.rows, *(row for row in one.rows if row not in before.rows))
            read_as = tuple(dict.fromkeys((*before.read_as, *one.read_as)))
            one = replace(before, rows=rows, read_as=read_as)  # noqa: PLW2901 - the merged one
        merged[identity] = one
    return tuple(_with_rows_of_no_account(merged.values()))


def _with_rows_of_no_account(found: Iterable[NamedPayment]) -> list[NamedPayment]:
    """A row of no account that holds the PaymentIntent of an account is shown with it."""
    payments = list(found)
    strays = {
        one.payment_intent: one for one in payments if one.account is None and one.payment_intent
    }
    joined = []
    for one in payments:
        stray = strays.get(one.payment_intent or "")
        if one.account is not None and stray is not None:
            one = replace(one, rows=(*one.rows, *stray.rows))  # noqa: PLW2901 - the joined one
        joined.append(one)
    taken = {one.payment_intent for one in joined if one.account is not None}
    return [one for one in joined if one.account is not None or one.payment_intent not in taken]
