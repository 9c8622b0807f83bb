"""The two ways to send a read: through the official SDK, and straight over HTTP with the same headers and wire form."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import stripe
from stripe import _util

from reconciler.adapters.stripe_gateway.answer import AttemptError, HttpAnswer
from reconciler.adapters.stripe_gateway.transport import Transport

LOGGERS: Final = ("stripe", "httpx", "httpcore")
"""``stripe`` would log whole bodies at DEBUG, client_secret included; the others every address."""


_EMPTY_ERROR: Final = '{"error": {}}'


class Bridge(stripe.HTTPClient):
    """Lets the SDK send through our transport, and keeps the answer: the SDK drops the headers of a proxy's page."""

    name = "httpx"

    def __init__(self, transport: Transport) -> None:
        super().__init__()
        self._transport = transport
        self._kept = threading.local()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: object = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """The SDK's one way out. Only reads go through it.

        Of an error the SDK gets an empty body: it breaks on an ``error`` that is no object, as proxies send.
        """
        if method != "get" or post_data is not None:
            raise ValueError("the gateway only reads")
        answer = self._transport.get(url, headers or {})
        self._kept.answer = answer
        text = answer.body.decode(errors="replace") if answer.status == 200 else _EMPTY_ERROR
        return text, answer.status, answer.headers

    def take(self) -> HttpAnswer | None:
        """This thread's last answer, once."""
        answer: HttpAnswer | None = self._kept.__dict__.pop("answer", None)
        return answer

    def close(self) -> None:
        """Nothing: the transport is closed by its owner."""


class Sender:
    """Sends reads for one account. Raises AttemptError where no answer comes; judges no status."""

    def __init__(
        self, transport: Transport, api_key: str, stripe_account: str | None, api_base: str
    ) -> None:
        _quieten()
        self._transport = transport
        self._bridge = Bridge(transport)
        self._base = api_base.rstrip("/")
        self._client = stripe.StripeClient(
            api_key,
            stripe_account=stripe_account,
            base_addresses={"api": self._base},
            max_network_retries=0,
            http_client=self._bridge,
        )
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Stripe-Version": stripe.api_version,
            "User-Agent": f"Stripe/v1 PythonBindings/{stripe.VERSION}",
            **({} if stripe_account is None else {"Stripe-Account": stripe_account}),
        }

    def by_sdk(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        """A read as the SDK sends it. What it makes of the answer is not looked at: one judge serves both ways."""
        with contextlib.suppress(stripe.StripeError):
            self._client.raw_request("get", path, **params)
        answer = self._bridge.take()
        if answer is None:
            raise AttemptError("the SDK sent nothing", "Report this.", retry=False)
        return answer

    def straight(self, path: str, params: Mapping[str, Any]) -> HttpAnswer:
        """The same read without the SDK, which parses and formats each body twice: a page costs it 24 ms of CPU."""
        return self._transport.get(f"{self._base}{path}?{query(params)}", self._headers)


def query(params: Mapping[str, Any]) -> str:
    """The query string as the SDK writes it: ``expand[0]=…``, ``created[gte]=…``."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        match value:
            case Mapping():
                pairs += [(f"{name}[{key}]", str(item)) for key, item in value.items()]
            case list() | tuple():
                pairs += [(f"{name}[{number}]", str(item)) for number, item in enumerate(value)]
            case _:
                pairs.append((name, str(value)))
    return urlencode(pairs).replace("%5B", "[").replace("%5D", "]")


def _quieten() -> None:
    """Keep libraries from telling what they send and get, and the SDK from writing an id file into a home folder."""
    stripe.enable_telemetry = False
    stripe.log = None
    _util.STRIPE_LOG = None  # read from the environment at import: it would print whole bodies
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
