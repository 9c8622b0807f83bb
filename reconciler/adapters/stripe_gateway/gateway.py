"""Reads one Stripe account, as the engine's port for Stripe promises."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final, Self

from reconciler.adapters.http.http_client import Timeouts, is_loopback, origin_of
from reconciler.adapters.stripe_gateway.parsing import (
    parse_event_page,
    parse_heads,
    parse_intent,
    parse_intent_page,
)
from reconciler.adapters.stripe_gateway.reader import (
    Read,
    Reader,
    ReadHooks,
    Retries,
    do_nothing,
    wait_for_room,
)
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import HttpAnswer, Sender, Transport
from reconciler.adapters.stripe_gateway.wire import WireHead, list_parameters, raise_if_no_id
from reconciler.clock import Clock
from reconciler.domain.model.found_intents import FoundIntents
from reconciler.domain.model.intent import Charge, Intent, MissingIntent
from reconciler.domain.model.looked_up_id import ChargeIntent, CheckoutSession
from reconciler.domain.model.money_back import ChargeBalance, Dispute, Refund
from reconciler.domain.model.page import EventPage, IntentPage
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import Endpoint, RateLimitReason
from reconciler.errors import (
    ConfigurationError,
    ConfigurationFault,
    StripeRequestError,
)

if TYPE_CHECKING:
    from reconciler.adapters.stripe_gateway.error_answer import ErrorAnswer
    from reconciler.adapters.stripe_gateway.lookups import Lookups

API_BASE: Final = "https://api.stripe.com"
MOST_EVENT_TYPES: Final = 20
"""Stripe takes no more types in one query of events."""

_INTENTS: Final = "/v1/payment_intents"
_ENDPOINTS: Final = {
    "payment_intents": Endpoint.LIST,
    "charges": Endpoint.CHARGES,
    "events": Endpoint.EVENTS,
}
_KEY_PREFIX: Final = re.compile(r"(sk|rk)_(live|test)_")
_LIVE_KEY: Final = re.compile(r"[a-z]+_live_")
_ONE_WORD: Final = re.compile(r"[!-~]{1,1000}")
_API_BASE: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_ACCOUNT_ID: Final = re.compile(r"acct_[A-Za-z0-9]{1,250}")


class StripeGateway:
    """Reads one Stripe account. Safe to share between threads. Close it, or use it in a with block.

    Retrieves, events, charges and single objects go through the official SDK's raw requests. The list of intents goes
    directly over HTTP, because the SDK needs 24 ms of CPU for a page of a hundred and this code 4 ms. Both send the
    same headers, to the API version that the SDK is made for.

    Args:
        api_key: The key. It is never shown.
        account: The account's name in Reconciler's configuration, for messages.
        stripe_account: The connected account to act for (``Stripe-Account``).
        api_base: Stripe's address, or that of a proxy or test server.
        livemode: The mode that every object must have; None takes both.
        metadata_keys: The keys that are kept of an intent's metadata; None keeps all.
        keeps_description: Whether an intent's description is kept, to link its order.
        acquire: Called before every attempt, retries included. It may block; what it raises ends the call.
        release: Called at the end of every attempt. Needed if ``acquire`` counts the requests in flight.
        limited: Called with reason and endpoint for each refusal for being too fast.
        timeouts: Of one attempt, in seconds.
        retries: How often a failed attempt is repeated, and for how long.
        connections: The most that are open at the same time; as many as there are reading threads.
        stopping: Once it is set, every read ends within a second, with StripeUnavailableError.

    Raises:
        ConfigurationError: key, stripe_account or api_base cannot be what they should be, a live key would go over a
            connection without TLS, or the environment's proxy or certificates cannot be used.
    """

    def __init__(
        self,
        api_key: str,
        *,
        account: str,
        clock: Clock,
        acquire: Callable[[Endpoint], None],
        release: Callable[[Endpoint], None] = do_nothing,
        limited: Callable[[RateLimitReason, Endpoint], None] = do_nothing,
        stripe_account: str | None = None,
        api_base: str = API_BASE,
        livemode: bool | None = None,
        metadata_keys: Collection[str] | None = (),
        keeps_description: bool = False,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        connections: int = 64,
        stopping: threading.Event | None = None,
    ) -> None:
        prefix = _key_prefix(api_key)
        _raise_if_unusable(api_key, stripe_account, api_base, account)
        self._clock = clock
        keys = None if metadata_keys is None else tuple(metadata_keys)
        self._translator = Translator(account, livemode, keys, keeps_description)
        hooks = ReadHooks(acquire=acquire, release=release, limited=limited)
        stopping = stopping or threading.Event()
        self._reader = Reader(account, prefix, hooks, retries or Retries(), clock, stopping)
        self._transport = Transport(
            api_base, timeouts or Timeouts(), clock, connections, stopping, wait_for_room
        )
        self._sender = Sender(self._transport, api_key, stripe_account, api_base)
        self._first_read = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End waits between attempts, begin no other attempt, and close every connection."""
        self._reader.close()
        self._transport.close()

    @cached_property
    def _lookups(self) -> Lookups:
        # imported here: a plain sweep asks for none of what a charge, a session or a search says
        from reconciler.adapters.stripe_gateway.lookups import Lookups

        return Lookups(self._reader, self._sender, self._translator)

    @property
    def reads(self) -> int:
        """GETs sent so far, retries included."""
        return self._reader.reads

    @property
    def rate_limited(self) -> int:
        """Refusals for being too fast so far."""
        return self._reader.rate_limited

    @property
    def clock_skew(self) -> timedelta | None:
        """Stripe's clock minus this machine's at the latest answer, exact to a second; None if it had no Date."""
        return self._reader.time.skew

    def now(self) -> datetime:
        """Stripe's time: that of the latest answer, advanced by the monotonic clock. The first call may cost a read."""
        known = self._reader.time.now()
        if known is not None:
            return known

        # of several threads that call at the same time, only one reads
        with self._first_read:
            if self._reader.time.now() is None:
                self.read_one("payment_intents")
        return self._reader.time.now() or self._clock.now()

    def retrieve(self, intent_id: str) -> Intent | MissingIntent:
        """One intent with its latest charge; MissingIntent if Stripe says that it does not exist."""
        raise_if_no_id(intent_id)
        params = {"expand": ["latest_charge"]}

        parse: Callable[[HttpAnswer, datetime], Intent | MissingIntent] = partial(
            parse_intent, intent_id=intent_id, translator=self._translator
        )

        def excuse(refusal: ErrorAnswer, seen_at: datetime) -> Intent | MissingIntent | None:
            if not refusal.is_missing:
                return None
            request_id = refusal.answer.request_id
            return MissingIntent(intent_id, seen_at, request_id, other_mode=refusal.other_mode)

        send = partial(self._sender.get_by_sdk, f"{_INTENTS}/{intent_id}", params)
        what = f"PaymentIntent {intent_id}"
        return self._reader.read(Read(Endpoint.RETRIEVE, what, send, parse, excuse))

    def list_intents(self, created: TimeRange, after: str | None = None) -> IntentPage:
        """One page of up to 100 intents created in a range, newest first, with their latest charges."""
        params = list_parameters(created, after) | {"expand": ["data.latest_charge"]}
        parse = partial(parse_intent_page, after=after, translator=self._translator)
        send = partial(self._sender.get_directly, _INTENTS, params)
        return self._reader.read(Read(Endpoint.LIST, "a page of PaymentIntents", send, parse))

    def list_events(
        self, created: TimeRange, types: Sequence[str], after: str | None = None
    ) -> EventPage:
        """One page of up to 100 events of these types (1 to 20), newest first."""
        if not 1 <= len(types) <= MOST_EVENT_TYPES:
            raise StripeRequestError(
                f"This request for Stripe's events names {len(types)} types of events, and Stripe accepts 1 to "
                f"{MOST_EVENT_TYPES}.",
                "This is a bug in Reconciler: report it.",
            )
        params = list_parameters(created, after) | {"types": list(types)}
        parse = partial(parse_event_page, after=after, translator=self._translator)
        send = partial(self._sender.get_by_sdk, "/v1/events", params)
        return self._reader.read(Read(Endpoint.EVENTS, "a page of events", send, parse))

    def list_charges(self, intent_id: str) -> tuple[Charge, ...]:
        """All attempts to pay an intent, newest first."""
        return self._lookups.charges(intent_id)

    def refunds(self, charge_id: str) -> tuple[Refund, ...]:
        """All refunds of a charge, newest first."""
        return self._lookups.refunds(charge_id)

    def charge_balance(self, charge_id: str) -> ChargeBalance | None:
        """The balance transaction of a charge; None if it has none yet, or if the key may not read it."""
        return self._lookups.charge_balance(charge_id)

    def disputes(self, charge_id: str) -> tuple[Dispute, ...]:
        """All disputes of a charge, newest first."""
        return self._lookups.disputes(charge_id)

    def session(self, session_id: str) -> CheckoutSession | None:
        """A Checkout Session; None if Stripe says that it does not exist."""
        return self._lookups.session(session_id)

    def charge_intent(self, charge_id: str) -> ChargeIntent | None:
        """Which intent a charge belongs to; None if Stripe says that the charge does not exist."""
        return self._lookups.charge_intent(charge_id)

    def search_intents(self, key: str, values: Sequence[str]) -> FoundIntents:
        """The intents that a search shows for the first of these values of a metadata key, up to ten of them.

        A value is matched exactly. The answer names the values that were searched for, and reads at most five pages.
        Raises SearchRefusedError if Stripe does not offer its search to the account.
        """
        return self._lookups.search(key, values)

    def read_one(self, resource: str) -> tuple[WireHead, ...] | ErrorAnswer:
        """The cheapest read of a resource: the newest object of its list, or Stripe's refusal if a permission is missing.

        Raises StripeRefusedError for a key that Stripe does not know or that may not act for the account.
        """

        def parse(answer: HttpAnswer, _: datetime) -> tuple[WireHead, ...] | ErrorAnswer:
            return parse_heads(answer)

        def excuse(refusal: ErrorAnswer, _: datetime) -> ErrorAnswer | None:
            return refusal if refusal.is_about_permission else None

        send = partial(self._sender.get_by_sdk, f"/v1/{resource}", {"limit": 1})
        endpoint = _ENDPOINTS.get(resource, Endpoint.OTHER)
        return self._reader.read(Read(endpoint, f"the list of {resource}", send, parse, excuse))


def _raise_if_unusable(
    api_key: str, stripe_account: str | None, api_base: str, account: str
) -> None:
    """Raise ConfigurationError for a value that cannot go into a request, or a key that cannot read."""
    key = f"the Stripe key of account {account}"
    faults: list[ConfigurationFault] = []
    if not _ONE_WORD.fullmatch(api_key):
        what = f"{key} has a space, or a character that no key has."
        faults.append(ConfigurationFault(what, "Copy the key again from Stripe's dashboard."))
    elif api_key.startswith("pk_"):
        what = f"{key} is a publishable key (pk_…), which cannot read payments."
        faults.append(ConfigurationFault(what, "Use a restricted key (rk_…)."))
    if stripe_account is not None and not _ACCOUNT_ID.fullmatch(stripe_account):
        what = f"stripe_account of account {account} is not an account id (acct_…)."
        faults.append(ConfigurationFault(what))
    if not _is_address(api_base):
        what = "stripe.api_base is not an address such as https://api.stripe.com."
        faults.append(ConfigurationFault(what))
    elif _LIVE_KEY.match(api_key) and not (api_base.startswith("https:") or is_loopback(api_base)):
        what = f"stripe.api_base has no TLS, and {key} is a live key."
        hint = "Use https. Without TLS, Reconciler sends a live key only to this machine."
        faults.append(ConfigurationFault(what, hint))
    if faults:
        raise ConfigurationError(tuple(faults))


def _is_address(api_base: str) -> bool:
    if not _API_BASE.fullmatch(api_base):
        return False
    try:
        origin_of(api_base)
    except ConfigurationError:
        return False
    return True


def _key_prefix(api_key: str) -> str:
    """The part of a key that messages may show. Stripe promises no prefixes, so an unknown one is not a fault."""
    found = _KEY_PREFIX.match(api_key)
    return "(unknown prefix)" if found is None else f"{found[0]}…"
