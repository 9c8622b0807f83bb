"""What an error answer means: the caller's error, or a failed attempt. Stripe's own messages are never repeated."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.stripe_gateway.answer import AttemptError, HttpAnswer
from reconciler.adapters.stripe_gateway.credentials import KeyLabel
from reconciler.adapters.stripe_gateway.decoding import ERROR_BODY, FieldError, decode
from reconciler.adapters.stripe_gateway.stripe_time import parse_date
from reconciler.adapters.stripe_gateway.wire import WireError
from reconciler.domain.quota.stripe_limits import RateLimitReason
from reconciler.errors import ReconcilerError, StripeRefusedError, StripeRequestError

LONGEST_FLOOR: Final = 30.0
"""A proxy's Retry-After is honoured up to so many seconds. Stripe itself sends none."""

_PERMISSION: Final = re.compile(r"\brak_[a-z0-9_]{1,80}\b")
_PLAIN: Final = re.compile(r"[a-z0-9_.\[\]]{1,60}")
_SECONDS: Final = re.compile(r"\d{1,9}(\.\d{1,3})?")
_OTHER_MODE: Final = (
    "a similar object exists in live mode",
    "a similar object exists in test mode",
)

RESOURCES: Final = {
    "rak_payment_intent_read": "PaymentIntents",
    "rak_charge_read": "Charges and Refunds",
    "rak_event_read": "Events",
    "rak_dispute_read": "Disputes",
}
"""The permissions that we need, by the names that Stripe's messages use, with those of the Dashboard."""


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An answer with another status than 200, and its error body where it has one."""

    answer: HttpAnswer
    error: WireError | None

    @classmethod
    def of(cls, answer: HttpAnswer) -> ErrorAnswer:
        """Read the error body; a proxy's page has none."""
        try:
            return cls(answer, decode(answer.body, ERROR_BODY).error)
        except (FieldError, AttemptError):
            return cls(answer, None)

    @property
    def is_missing(self) -> bool:
        """Stripe says that the object is not there. A 404 of anybody else, or for a path, says nothing about it."""
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
    def is_about_account(self) -> bool:
        """The key may not act for the account in ``Stripe-Account``."""
        return self.error is not None and self.error.code == "account_invalid"

    @property
    def permission(self) -> str | None:
        """The permission that the message says is missing."""
        found = _PERMISSION.search((self.error.message if self.error else None) or "")
        return None if found is None else found[0]

    @property
    def rate_limit(self) -> RateLimitReason | None:
        """Why we are too fast, None where that is not the fault. An old form of it has status 400."""
        code = self.error.code if self.error else None
        if self.answer.status != 429 and not (self.answer.status == 400 and code == "rate_limit"):
            return None
        reason = self.answer.headers.get("stripe-rate-limited-reason", code)
        return next(
            (known for known in RateLimitReason if known == reason), RateLimitReason.UNKNOWN
        )

    def failure(self, what: str, account: str, key: KeyLabel) -> ReconcilerError | AttemptError:
        """The error to raise."""
        status = self.answer.status
        again = self.answer.should_retry
        if again is None:
            again = self.rate_limit is not None or status == 409 or status >= 500
        if again or self.rate_limit is not None or status == 409 or status >= 500:
            return self._failed_attempt(retry=again)
        match status:
            case 401:
                return self._key_refused(account, key)
            case 403:
                return self._permission_missing(what, account, key)
            case _:
                return self._request_wrong(what)

    def _failed_attempt(self, *, retry: bool) -> AttemptError:
        status = self.answer.status
        reason = self.rate_limit
        if reason is not None:
            why = f"it is asked too often ({reason}){self._quote()}"
            hint = "Lower budget.share, or let less use this account at once."
        else:
            why = f"it answered with status {status}{self._quote()}"
            hint = "Look at Stripe's status page; the next sweep asks again."
        return AttemptError(why, hint, retry=retry, floor=retry_after(self.answer))

    def _key_refused(self, account: str, key: KeyLabel) -> StripeRefusedError:
        return StripeRefusedError(
            f"Stripe refused the key {key.shown} of account {account}{self._quote()}.",
            "It is mistyped, expired or revoked: compare it with Developers > API keys in the Dashboard, and set the "
            "account's key again.",
        )

    def _permission_missing(self, what: str, account: str, key: KeyLabel) -> StripeRefusedError:
        permission = self.permission
        if permission is None:
            return StripeRefusedError(
                f"Stripe does not let the key {key.shown} of account {account} read {what}{self._quote()}.",
                "Give the restricted key Read on PaymentIntents, Charges and Refunds, Events and Disputes; where "
                "stripe_account is set, check that the key may act for it.",
            )
        return StripeRefusedError(
            f"The key {key.shown} of account {account} lacks the permission {permission} to read {what}{self._quote()}.",
            permission_hint(permission),
            permission,
        )

    def _request_wrong(self, what: str) -> StripeRequestError:
        status = self.answer.status
        if self.error is None:
            return StripeRequestError(
                f"What answered for {what} with status {status} is not Stripe.",
                "Check stripe.api_base and any proxy on the way.",
            )
        return StripeRequestError(
            f"Stripe refused the request for {what} with status {status}{self._quote()}.",
            "Nothing was concluded from it; if the id is right, this is a defect of this program: report it.",
        )

    def _quote(self) -> str:
        """Stripe's code and parameter and the request's id, as far as they are plain words."""
        parts = []
        if self.error is not None:
            if self.error.code and _PLAIN.fullmatch(self.error.code):
                parts.append(self.error.code)
            if self.error.param and _PLAIN.fullmatch(self.error.param):
                parts.append(f"parameter {self.error.param}")
        if self.answer.request_id:
            parts.append(f"request {self.answer.request_id}")
        return f" ({', '.join(parts)})" if parts else ""


def permission_hint(permission: str) -> str:
    """What to do about a missing permission."""
    resource = RESOURCES.get(permission, permission)
    return f"Give the restricted key Read on {resource} ({permission}) under Developers > API keys in the Dashboard."


def retry_after(answer: HttpAnswer) -> float:
    """The seconds that a ``Retry-After`` asks for, as a number or a date, at most LONGEST_FLOOR; else 0."""
    value = answer.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_FLOOR)
    until, sent = parse_date(value), parse_date(answer.headers.get("date"))
    if until is None or sent is None:
        return 0.0
    return min(max(0.0, (until - sent).total_seconds()), LONGEST_FLOOR)
