"""Reads about one charge, session or order: what a list of intents does not show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from reconciler.adapters.stripe_gateway.error_answer import ErrorAnswer
from reconciler.adapters.stripe_gateway.parsing import (
    ListPage,
    Requested,
    SearchPage,
    parse_charge_page,
    parse_dispute_page,
    parse_object,
    parse_refund_page,
    parse_search_page,
)
from reconciler.adapters.stripe_gateway.reader import Read, Reader
from reconciler.adapters.stripe_gateway.search_query import metadata_query
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import HttpAnswer, Sender
from reconciler.adapters.stripe_gateway.wire import (
    PAGE_SIZE,
    WireChargeBalance,
    WireChargeIntent,
    WireSession,
    list_parameters,
    raise_if_no_id,
)
from reconciler.domain.model.found_intents import FoundIntent, FoundIntents
from reconciler.domain.model.intent import Charge
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint
from reconciler.errors import MalformedAnswerError, SearchRefusedError

MOST_CHARGE_PAGES: Final = 10
"""A thousand attempts to pay one intent. Stripe cancels an intent that is confirmed too often long before."""
MOST_PAGES: Final = 50
"""Five thousand refunds or disputes of one charge."""
MOST_SEARCH_PAGES: Final = 5

_CHARGE_BALANCE: Final = msgspec.json.Decoder(WireChargeBalance)
_CHARGE_INTENT: Final = msgspec.json.Decoder(WireChargeIntent)
_SESSION: Final = msgspec.json.Decoder(WireSession)


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T")
Item = TypeVar("Item", bound=_HasId)


@dataclass(frozen=True, slots=True)
class Lookups:
    """The gateway's reads about one object. Each raises what the engine's port for Stripe promises."""

    reader: Reader
    sender: Sender
    translator: Translator

    def charges(self, intent_id: str) -> tuple[Charge, ...]:
        """All attempts to pay an intent, newest first."""
        raise_if_no_id(intent_id)

        def parse(answer: HttpAnswer, after: str | None) -> ListPage[Charge]:
            return parse_charge_page(answer, after, self.translator)

        what = f"the charges of PaymentIntent {intent_id}"
        read = partial(
            self._page, Endpoint.CHARGES, "/v1/charges", {"payment_intent": intent_id}, what, parse
        )
        return _every_page(read, what, MOST_CHARGE_PAGES)

    def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        """All refunds of a charge, newest first."""
        raise_if_no_id(charge_id)

        def parse(answer: HttpAnswer, after: str | None) -> ListPage[Refund]:
            return parse_refund_page(answer, after, charge_id)

        what = f"the refunds of charge {charge_id}"
        read = partial(
            self._page, Endpoint.OTHER, "/v1/refunds", {"charge": charge_id}, what, parse
        )
        return _every_page(read, what, MOST_PAGES)

    def disputes(self, charge_id: str) -> tuple[Dispute, ...]:
        """All disputes of a charge, newest first."""
        raise_if_no_id(charge_id)

        def parse(answer: HttpAnswer, after: str | None) -> ListPage[Dispute]:
            return parse_dispute_page(answer, after, charge_id, self.translator)

        what = f"the disputes of charge {charge_id}"
        read = partial(
            self._page, Endpoint.OTHER, "/v1/disputes", {"charge": charge_id}, what, parse
        )
        return _every_page(read, what, MOST_PAGES)

    def charge_balance(self, charge_id: str) -> ChargeBalance | None:
        """The balance transaction of a charge; None if it has none yet, or if the key may not read it."""
        raise_if_no_id(charge_id)
        requested = Requested("charge", "charge", charge_id)

        def parse(answer: HttpAnswer, _: datetime) -> _Found[ChargeBalance | None]:
            balance = parse_object(
                answer, _CHARGE_BALANCE, requested, self.translator.charge_balance
            )
            return _Found(balance)

        def excuse(refusal: ErrorAnswer, _: datetime) -> _Found[ChargeBalance | None] | None:
            return _Found(None) if refusal.is_about_permission else None

        path, params = f"/v1/charges/{charge_id}", {"expand": ["balance_transaction"]}
        send = partial(self.sender.get_by_sdk, path, params)
        what = f"the balance transaction of charge {charge_id}"
        return self.reader.read(Read(Endpoint.OTHER, what, send, parse, excuse)).value

    def charge_intent(self, charge_id: str) -> ChargeIntent | None:
        """Which intent a charge belongs to; None if Stripe says that the charge does not exist."""
        requested = Requested("charge", "charge", charge_id)

        def parse(answer: HttpAnswer) -> ChargeIntent:
            return parse_object(answer, _CHARGE_INTENT, requested, self.translator.charge_intent)

        return self._one(f"/v1/charges/{charge_id}", requested, parse)

    def session(self, session_id: str) -> CheckoutSession | None:
        """A Checkout Session; None if Stripe says that it does not exist."""
        requested = Requested("Checkout Session", "checkout.session", session_id)

        def parse(answer: HttpAnswer) -> CheckoutSession:
            return parse_object(answer, _SESSION, requested, self.translator.session)

        return self._one(f"/v1/checkout/sessions/{session_id}", requested, parse)

    def search(self, key: str, values: Sequence[str]) -> FoundIntents:
        """The intents that a search by metadata shows. Raises SearchRefusedError if the account has no search."""
        if not values:
            return FoundIntents((), (), is_whole=True)
        query, searched = metadata_query(key, values)
        found: dict[str, FoundIntent] = {}
        is_whole = True
        page: str | None = None
        for _ in range(MOST_SEARCH_PAGES):
            read = self._search_page(query, key, page)
            found |= {intent.id: intent for intent in read.intents}
            is_whole = is_whole and read.is_whole
            page = read.next_page
            if page is None:
                return FoundIntents(tuple(found.values()), searched, is_whole)
        return FoundIntents(tuple(found.values()), searched, is_whole=False)

    def _search_page(self, query: str, key: str, page: str | None) -> SearchPage:
        params: dict[str, Any] = {"query": query, "limit": PAGE_SIZE}
        if page is not None:
            params["page"] = page

        def parse(answer: HttpAnswer, _: datetime) -> SearchPage:
            return parse_search_page(answer, page, key, self.translator)

        def excuse(refusal: ErrorAnswer, _: datetime) -> SearchPage | None:
            if refusal.says_search_is_unavailable:
                raise SearchRefusedError(
                    f"Stripe offers no search to this account{refusal.quote()}, so Reconciler "
                    "cannot search for the PaymentIntents of an order.",
                    "Stripe offers no search to merchants in India. Reconciler sets a row of an order to failed or "
                    "canceled only if it knows every other PaymentIntent of the order.",
                )
            return None

        send = partial(self.sender.get_by_sdk, "/v1/payment_intents/search", params)
        what = "a search for PaymentIntents"
        return self.reader.read(Read(Endpoint.SEARCH, what, send, parse, excuse))

    def _one(self, path: str, requested: Requested, parse: Callable[[HttpAnswer], T]) -> T | None:
        """One object by its id; None if Stripe says that it does not exist."""
        raise_if_no_id(requested.id)

        def parse_found(answer: HttpAnswer, _: datetime) -> _Found[T | None]:
            return _Found(parse(answer))

        def excuse(refusal: ErrorAnswer, _: datetime) -> _Found[T | None] | None:
            return _Found(None) if refusal.is_missing else None

        send = partial(self.sender.get_by_sdk, path, {})
        read = Read(Endpoint.OTHER, str(requested), send, parse_found, excuse)
        return self.reader.read(read).value

    def _page(
        self,
        endpoint: Endpoint,
        path: str,
        params: dict[str, Any],
        what: str,
        parse: Callable[[HttpAnswer, str | None], ListPage[T]],
        after: str | None,
    ) -> ListPage[T]:
        def parse_page(answer: HttpAnswer, _: datetime) -> ListPage[T]:
            return parse(answer, after)

        parameters = list_parameters(TimeRange(), after) | params
        send = partial(self.sender.get_by_sdk, path, parameters)
        return self.reader.read(Read(endpoint, what, send, parse_page))


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """A result that may be None: a read takes None from ``excuse`` for an error."""

    value: T


def _every_page(
    read: Callable[[str | None], ListPage[Item]], what: str, most: int
) -> tuple[Item, ...]:
    """The items of every page; one that two pages show counts once. Raises MalformedAnswerError after ``most`` pages."""
    items: dict[str, Item] = {}
    after: str | None = None
    for _ in range(most):
        page = read(after)
        items |= {item.id: item for item in page.items}
        after = page.next_after
        if after is None:
            return tuple(items.values())
    raise MalformedAnswerError(
        f"Stripe's list of {what} does not end.",
        "Look in Stripe's dashboard how many of them the payment has. If there are few, try again.",
    )
