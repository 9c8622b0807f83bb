"""Stripe's error answers: each becomes the caller's error, or a failed attempt. Stripe's messages are never repeated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from reconciler.adapters.stripe_gateway.json_decoding import FieldError, decode
from reconciler.adapters.stripe_gateway.transport import AttemptError, HttpAnswer, parse_date
from reconciler.adapters.stripe_gateway.wire import WireError, WireErrorBody
from reconciler.domain.read_limits_and_shortage import RateLimitReason
from reconciler.errors import ReconcilerError, StripeRefusedError, StripeRequestError

MOST_RETRY_AFTER: Final = 30.0
"""Seconds: a proxy's Retry-After is followed up to this. Stripe itself sends none."""

_LARGEST_ERROR: Final = 256 * 1024
"""Bytes. A larger body is a proxy's page; Stripe's error bodies have a few thousand."""
_ERROR_BODY: Final = msgspec.json.Decoder(WireErrorBody)
_PERMISSION: Final = re.compile(r"\brak_[a-z0-9_]{1,80}\b")
_PLAIN_WORD: Final = re.compile(r"[a-z0-9_.\[\]]{1,60}")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,3})?")
_NO_SEARCH: Final = re.compile(
    r"\bsearch\b[^.]{0,80}\b(unavailable|not (available|supported|enabled|offered))\b",
    re.IGNORECASE,
)
"""Stripe's words are "The search feature is temporarily unavailable in your region" and "search feature unavailable for
merchant". Its documentation names no code."""
_OTHER_MODE: Final = (
    "a similar object exists in live mode",
    "a similar object exists in test mode",
)

RESOURCES: Final = {
    "rak_payment_intent_read": "PaymentIntents",
    "rak_charge_read": "Charges and Refunds",
    "rak_event_read": "Events",
    "rak_dispute_read": "Disputes",
    "rak_checkout_session_read": "Checkout Sessions",
    "rak_balance_read": "Balance",
}
"""The permissions that Reconciler needs: the name in Stripe's messages, and the name in the Dashboard."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer with another status than 200, and its error body if it has one."""

    answer: HttpAnswer
    error: WireError | None

    @classmethod
    def of(cls, answer: HttpAnswer) -> ErrorAnswer:
        """Read the error body; a proxy's page has none."""
        if len(answer.body) > _LARGEST_ERROR:
            return cls(answer, None)
        try:
            return cls(answer, decode(answer.body, _ERROR_BODY).error)
        except (FieldError, AttemptError):
            return cls(answer, None)

    @property
    def is_missing(self) -> bool:
        """Whether Stripe says that the object does not exist. A proxy's 404, or one for a path, says nothing about it."""
        return (
            self.answer.status == 404
            and self.error is not None
            and self.error.code == "resource_missing"
        )

    @property
    def other_mode(self) -> bool:
        """Whether the message says that the object exists in the other mode."""
        message = (self.error.message if self.error else None) or ""
        return any(words in message.lower() for words in _OTHER_MODE)

    @property
    def is_about_permission(self) -> bool:
        """Whether the key lacks a permission for this resource; another resource may still be readable."""
        about_account = self.error is not None and self.error.code == "account_invalid"
        return self.answer.status == 403 and not about_account

    @property
    def says_search_is_unavailable(self) -> bool:
        """Whether Stripe refuses its search to this account, as to merchants in India, and not because of the key."""
        message = (self.error.message if self.error else None) or ""
        return (
            self.answer.status in {400, 403}
            and self.permission is None
            and _NO_SEARCH.search(message) is not None
        )

    @property
    def permission(self) -> str | None:
        """The permission that the message says is missing."""
        found = _PERMISSION.search((self.error.message if self.error else None) or "")
        return None if found is None else found[0]

    @property
    def rate_limit(self) -> RateLimitReason | None:
        """Why requests are too fast; None for any other error. Older API versions answer with status 400."""
        code = self.error.code if self.error else None
        if self.answer.status != 429 and not (self.answer.status == 400 and code == "rate_limit"):
            return None
        reason = self.answer.headers.get("stripe-rate-limited-reason", code)
        return next(
            (known for known in RateLimitReason if known == reason), RateLimitReason.UNKNOWN
        )

    def as_error(self, what: str, account: str, key_prefix: str) -> ReconcilerError | AttemptError:
        """The error to raise for the read of ``what``: an AttemptError if another attempt may succeed."""
        status = self.answer.status
        temporary = self.rate_limit is not None or status == 409 or status >= 500

        # Stripe's own advice decides about another attempt, the status only if there is no advice
        advice = self.answer.should_retry
        retry = temporary if advice is None else advice
        if retry or temporary:
            return self._failed_attempt(retry=retry)

        match status:
            case 401:
                return self._key_refused(account, key_prefix)
            case 403:
                return self._permission_missing(what, account, key_prefix)
            case _:
                return self._request_refused(what)

    def _failed_attempt(self, *, retry: bool) -> AttemptError:
        status = self.answer.status
        limit = self.rate_limit
        if limit is not None:
            reason = f"Stripe refused the request, because requests came too fast ({limit}){self.quote()}"
            hint = "Lower budget.share, or run fewer programs on this account at the same time."
        else:
            reason = f"the answer has the status {status}{self.quote()}"
            hint = "Check https://status.stripe.com. The next sweep tries again."
        return AttemptError(reason, hint, retry=retry, least_wait=retry_after(self.answer))

    def _key_refused(self, account: str, key_prefix: str) -> StripeRefusedError:
        return StripeRefusedError(
            f"Stripe refused the key {key_prefix} of account {account}{self.quote()}.",
            "The key is mistyped, expired or revoked. Compare it with Developers > API keys in "
            "Stripe's dashboard, and set the account's key again.",
        )

    def _permission_missing(self, what: str, account: str, key_prefix: str) -> StripeRefusedError:
        permission = self.permission
        if permission is None:
            return StripeRefusedError(
                f"Stripe does not let the key {key_prefix} of account {account} read {what}{self.quote()}.",
                "Give the restricted key Read on PaymentIntents, Charges and Refunds, Events and "
                "Disputes, and on Checkout Sessions if rows hold them. If stripe_account is set, "
                "check that the key may act for this account.",
            )
        return StripeRefusedError(
            f"The key {key_prefix} of account {account} lacks the permission {permission} to read {what}{self.quote()}.",
            permission_hint(permission),
            permission,
        )

    def _request_refused(self, what: str) -> StripeRequestError:
        status = self.answer.status
        if self.error is None:
            return StripeRequestError(
                f"A server that is not Stripe answered the request for {what}, with status {status}.",
                "Check stripe.api_base and any proxy.",
            )
        return StripeRequestError(
            f"Stripe refused the request for {what} with status {status}{self.quote()}.",
            "Reconciler changed nothing because of this answer. If the id is right, this is a "
            "bug in Reconciler: report it.",
        )

    def quote(self) -> str:
        """Stripe's code and parameter, if they are plain words, and the request's id."""
        parts = []
        if self.error is not None:
            if self.error.code and _PLAIN_WORD.fullmatch(self.error.code):
                parts.append(self.error.code)
            if self.error.param and _PLAIN_WORD.fullmatch(self.error.param):
                parts.append(f"parameter {self.error.param}")
        if self.answer.request_id:
            parts.append(f"request {self.answer.request_id}")
        return f" ({', '.join(parts)})" if parts else ""


def permission_hint(permission: str) -> str:
    """How to give the key a missing permission."""
    resource = RESOURCES.get(permission, permission)
    return f"Give the restricted key Read on {resource} ({permission}) under Developers > API keys in Stripe's dashboard."


def retry_after(answer: HttpAnswer) -> float:
    """The seconds that a ``Retry-After`` asks for, as a number or a date, at most MOST_RETRY_AFTER; else 0."""
    value = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), MOST_RETRY_AFTER)
    until, sent = parse_date(value), answer.date
    if until is None or sent is None:
        return 0.0
    return min(max(0.0, (until - sent).total_seconds()), MOST_RETRY_AFTER)
