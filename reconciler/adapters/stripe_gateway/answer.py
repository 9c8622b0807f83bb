"""One answer as it came over the wire, and an attempt that brought none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from reconciler.errors import MalformedAnswerError, StripeUnavailableError

_REQUEST_ID: Final = re.compile(r"req_[A-Za-z0-9_]{1,251}")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, headers (names in lower case) and body. Its repr shows neither headers nor body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def request_id(self) -> str | None:
        """Stripe's ``Request-Id``, which its support asks for."""
        value = self.headers.get("request-id", "")
        return value if _REQUEST_ID.fullmatch(value) else None

    @property
    def is_stripes(self) -> bool:
        """Whether Stripe itself answered: an error page without its ``Request-Id`` is somebody's on the way."""
        return self.status == 200 or self.request_id is not None

    @property
    def should_retry(self) -> bool | None:
        """Stripe's own verdict on another try (``Stripe-Should-Retry``), None where it gave none."""
        return {"true": True, "false": False}.get(self.headers.get("stripe-should-retry", ""))


class AttemptError(Exception):
    """One attempt failed in a way that another may not. Never leaves the gateway.

    ``why`` is a phrase for a person, without anything of the answer's contents. ``floor`` is the least number of
    seconds to wait, where somebody on the way asked for it.
    """

    def __init__(
        self,
        why: str,
        hint: str,
        *,
        retry: bool = True,
        malformed: bool = False,
        floor: float = 0.0,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.retry = retry
        self.malformed = malformed
        self.floor = floor

    def verdict(self, what: str, tries: int) -> StripeUnavailableError:
        """The error that a caller sees when there is no other try."""
        kind = MalformedAnswerError if self.malformed else StripeUnavailableError
        times = "1 try" if tries == 1 else f"{tries} tries"
        return kind(f"Stripe gave no usable answer for {what} in {times}: {self.why}.", self.hint)


def malformed(why: str) -> AttemptError:
    """An answer that as a whole is not what was asked for; the next one may be."""
    return AttemptError(
        why,
        "Check stripe.api_base and any proxy on the way; the next sweep asks again.",
        malformed=True,
    )
