"""One Stripe account, for reading: what the engine's port for Stripe promises."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Self

from reconciler.adapters.stripe_gateway.access import NEEDED, KeyAccess, ProbeResult, ResourceAccess
from reconciler.adapters.stripe_gateway.answer import HttpAnswer
from reconciler.adapters.stripe_gateway.credentials import KeyLabel, check_credentials
from reconciler.adapters.stripe_gateway.decoding import is_id
from reconciler.adapters.stripe_gateway.pages import (
    ChargePage,
    read_charge_page,
    read_event_page,
    read_heads,
    read_intent,
    read_intent_page,
)
from reconciler.adapters.stripe_gateway.reading import Read, Reader, ReadHooks, nothing
from reconciler.adapters.stripe_gateway.refusal import ErrorAnswer, permission_hint
from reconciler.adapters.stripe_gateway.retrying import Retries
from reconciler.adapters.stripe_gateway.sending import Sender
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import Timeouts, Transport
from reconciler.clock import Clock
from reconciler.domain.model.intent import Charge, Intent, MissingIntent
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.errors import MalformedAnswerError, StripeRequestError

API_BASE: Final = "https://api.stripe.com"
PAGE_SIZE: Final = 100
MOST_TYPES: Final = 20
"""Stripe takes no more types in one query of events."""
MOST_CHARGE_PAGES: Final = 10
"""A thousand attempts to pay one intent: Stripe cancels one that is confirmed too often long before."""
INTENTS: Final = "/v1/payment_intents"


class StripeGateway:
    """Reads one Stripe account. Safe to share between threads; close it, or use it in a with block.

    Retrieves, events, charges and probes go through the official SDK's raw requests; the list of intents goes straight
    over HTTP, because an SDK's page of a hundred costs 24 ms of CPU and this one 4. Both send the same headers to the
    API version that the SDK is made for. The SDK's own retries are off: RetryPolicy is the only retry layer.

    Args:
        api_key: The key; it is not kept in a readable place and never shown.
        account: Our name of the account, for messages.
        stripe_account: The connected account to act for (``Stripe-Account``).
        api_base: Stripe's address, or that of a proxy or test server.
        livemode: The mode that every object must have; None takes both.
        metadata_keys: What is kept of an intent's metadata.
        buy: Called before every attempt, retries included. It may block; what it raises ends the call.
        done: Called when an attempt has ended, however it did. Give it wherever ``buy`` counts what is in flight.
        limited: Called with reason and endpoint for each refusal for being too fast.
        timeouts: Of one attempt, in seconds.
        retries: How often and how long a failed attempt is repeated.
        connections: The most that are open at once; as many as threads read.

    Raises:
        ConfigurationError: key, stripe_account or api_base cannot be what they should be.
    """

    def __init__(
        self,
        api_key: str,
        *,
        account: str,
        clock: Clock,
        acquire: Callable[[Endpoint], None],
        release: Callable[[Endpoint], None] = nothing,
        limited: Callable[[RateLimitReason, Endpoint], None] = nothing,
        stripe_account: str | None = None,
        api_base: str = API_BASE,
        livemode: bool | None = None,
        metadata_keys: Collection[str] = (),
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        connections: int = 64,
    ) -> None:
        check_credentials(api_key, stripe_account, api_base, account)
        self._clock = clock
        self._key = KeyLabel.of(api_key)
        self._translator = Translator(account, livemode, tuple(metadata_keys))
        self._transport = Transport(timeouts or Timeouts(), clock, connections)
        self._sender = Sender(self._transport, api_key, stripe_account, api_base)
        hooks = ReadHooks(acquire=acquire, release=release, limited=limited)
        self._reader = Reader(account, self._key, hooks, retries or Retries(), clock)
        self._first_look = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut waits between tries short, begin no other and close every connection."""
        self._reader.close()
        self._transport.close()

    @property
    def reads(self) -> int:
        """GETs sent so far, retries included."""
        return sum(self._reader.counts.reads.values())

    @property
    def rate_limited(self) -> int:
        """Refusals for being too fast so far."""
        return sum(self._reader.counts.rate_limited.values())

    @property
    def reads_by_endpoint(self) -> Mapping[Endpoint, int]:
        """GETs sent so far, retries included, of the endpoints that were read."""
        return self._reader.counts.reads

    @property
    def rate_limited_by_endpoint(self) -> Mapping[Endpoint, int]:
        """Refusals for being too fast so far, of the endpoints that refused."""
        return self._reader.counts.rate_limited

    def now(self) -> datetime:
        """Stripe's time: the latest answer's, moved on by our monotonic clock. Costs a read where there was none."""
        known = self._reader.time.now()
        if known is not None:
            return known
        with self._first_look:  # of several threads that ask at once, one reads
            if self._reader.time.now() is None:
                self._look("payment_intents")
        return self._reader.time.now() or self._clock.now()

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        """One intent with its latest charge, or that it is not there."""
        _check_id(intent_id)
        params = {"expand": ["latest_charge"]}

        def parse(answer: HttpAnswer, seen_at: datetime) -> Intent | MissingIntent:
            return read_intent(answer, intent_id, self._translator, seen_at)

        def excuse(refusal: ErrorAnswer, seen_at: datetime) -> Intent | MissingIntent | None:
            if not refusal.is_missing:
                return None
            request_id = refusal.answer.request_id
            return MissingIntent(intent_id, seen_at, request_id, other_mode=refusal.other_mode)

        send = partial(self._sender.by_sdk, f"{INTENTS}/{intent_id}", params)
        what = f"payment intent {intent_id}"
        return self._reader.read(Read(Endpoint.RETRIEVE, what, send, parse, excuse))

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        """One page of up to 100 intents created in a range, newest first, with their latest charges."""
        params = _list_params(created, after) | {"expand": ["data.latest_charge"]}

        def parse(answer: HttpAnswer, seen_at: datetime) -> IntentPage:
            return read_intent_page(answer, after, self._translator, seen_at)

        send = partial(self._sender.straight, INTENTS, params)
        return self._reader.read(Read(Endpoint.LIST, "a page of payment intents", send, parse))

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        """One page of up to 100 events of these types (20 at most, at least one), newest first."""
        if not 1 <= len(types) <= MOST_TYPES:
            raise StripeRequestError(
                f"Stripe lists events of 1 to {MOST_TYPES} types at once, not of {len(types)}.",
                "This is a defect of this program: report it.",
            )
        params = _list_params(created, after) | {"types": list(types)}

        def parse(answer: HttpAnswer, seen_at: datetime) -> EventPage:
            return read_event_page(answer, after, self._translator, seen_at)

        send = partial(self._sender.by_sdk, "/v1/events", params)
        return self._reader.read(Read(Endpoint.EVENTS, "a page of events", send, parse))

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        """All attempts to pay an intent, newest first."""
        _check_id(intent_id)
        charges: list[Charge] = []
        after: str | None = None
        for _ in range(MOST_CHARGE_PAGES):
            page = self._charge_page(intent_id, after)
            charges += page.charges
            after = page.next_after
            if after is None:
                return tuple(charges)
        raise MalformedAnswerError(
            f"Stripe's list of charges of payment intent {intent_id} does not end.",
            "Look at the payment in the Dashboard.",
        )

    def probe(self) -> KeyAccess:
        """Look at one object of each resource that we need: what the key may read, of which mode, and Stripe's clock.

        Raises StripeRefusedError for a key that Stripe does not know or that may not act for the account,
        StripeUnavailableError where Stripe cannot be reached.
        """
        looks = [self._look(resource) for resource in NEEDED]
        modes = {mode for look in looks for mode in look.modes}
        return KeyAccess(
            resources=tuple(look.access for look in looks),
            restricted=self._key.restricted,
            key_livemode=self._key.livemode,
            seen_livemode=modes.pop() if len(modes) == 1 else None,
            skew=self._reader.time.skew,
        )

    def _look(self, resource: str) -> ProbeResult:
        """The cheapest read of a resource."""

        def parse(answer: HttpAnswer, _: datetime) -> ProbeResult:
            modes = frozenset(
                head.livemode for head in read_heads(answer) if isinstance(head.livemode, bool)
            )
            return ProbeResult(ResourceAccess(resource), modes)

        def excuse(refusal: ErrorAnswer, _: datetime) -> ProbeResult | None:
            if refusal.answer.status != 403 or refusal.is_about_account:
                return None
            missing = refusal.permission or NEEDED[resource]
            return ProbeResult(ResourceAccess(resource, missing, permission_hint(missing)))

        send = partial(self._sender.by_sdk, f"/v1/{resource}", {"limit": 1})
        endpoint = _ENDPOINTS.get(resource, Endpoint.OTHER)
        return self._reader.read(Read(endpoint, f"the list of {resource}", send, parse, excuse))

    def _charge_page(self, intent_id: str, after: str | None) -> ChargePage:
        params = _list_params(TimeRange(), after) | {"payment_intent": intent_id}

        def parse(answer: HttpAnswer, _: datetime) -> ChargePage:
            return read_charge_page(answer, after, self._translator)

        send = partial(self._sender.by_sdk, "/v1/charges", params)
        what = f"the charges of payment intent {intent_id}"
        return self._reader.read(Read(Endpoint.CHARGES, what, send, parse))


_ENDPOINTS: Final = {
    "payment_intents": Endpoint.LIST,
    "charges": Endpoint.CHARGES,
    "events": Endpoint.EVENTS,
}


def _check_id(value: str) -> None:
    """An empty id would turn a retrieve into a list, and one with a slash would ask for something else."""
    if not is_id(value):
        raise StripeRequestError(
            f"{value[:300]!r} cannot be the id of a Stripe object; nothing was asked.",
            "Ids are up to 255 letters, digits and underscores, such as pi_3PgafyB7WZ01zgkW.",
        )


def _list_params(created: TimeRange, after: str | None) -> dict[str, Any]:
    """The parameters of a list, without what its resource adds. Stripe knows whole seconds alone."""
    params: dict[str, Any] = {"limit": PAGE_SIZE}
    bounds = {
        name: math.ceil(bound.timestamp())
        for name, bound in (("gte", created.since), ("lt", created.until))
        if bound is not None
    }
    if bounds:
        params["created"] = bounds
    if after is not None:
        _check_id(after)
        params["starting_after"] = after
    return params
