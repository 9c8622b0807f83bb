"""What a reviewer accepted on a page is carried out only if both sides are as the reviewer saw them."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.domain.findings.discrepancy import Kind, Severity, State, StoredDiscrepancy
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.acceptance_request import AcceptanceRequest
from reconciler.domain.model.intent import Intent
from reconciler.domain.money import Money
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.severity_and_evidence import stripe_values
from reconciler.engine.actions.acceptance import (
    CannotAcceptError,
    raise_if_changed,
    raise_if_stripe_changed,
)
from tests.unit.domain.samples import NOW, charge, intent_of

SEEN = "a" * 64
REQUEST = AcceptanceRequest(1, 7, SEEN, None, False, "shipped", "web:ana", "reconciler_web")


def stored(**changes: Any) -> StoredDiscrepancy:
    """The discrepancy as it is now."""
    values = {"id": 7, "subject": "pi_1", "kind": Kind.PAID_AFTER_CANCEL, "state": State.OPEN, "fingerprint": SEEN}  # fmt: skip
    return StoredDiscrepancy(**{**values, **changes})  # type: ignore[arg-type]


def listed(kind: Kind, seen: Intent) -> Discrepancy:
    """A discrepancy with what Stripe said when the reviewer saw it."""
    return Discrepancy(
        7, "default", kind, Severity.CRITICAL, State.OPEN, "pi_1", ("1",), Money(4200, "eur"), None, None, None, None,
        None, NOW, NOW, SEEN, {}, stripe_values(seen), {}, NOW, NOW,
    )  # fmt: skip


def test_an_open_and_unchanged_discrepancy_is_carried_out() -> None:
    """As the reviewer saw it."""
    raise_if_changed(stored(), REQUEST)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "was removed"),
        (stored(state=State.RESOLVED), "was resolved"),
        (stored(fingerprint="b" * 64), "has changed"),
    ],
)
def test_another_discrepancy_is_refused(found: StoredDiscrepancy | None, said: str) -> None:
    """Gone, settled by another person, or with another value of a side."""
    with pytest.raises(CannotAcceptError, match=said):
        raise_if_changed(found, REQUEST)


PAID = intent_of(Outcome.SUCCEEDED)


@pytest.mark.parametrize(
    "now",
    [
        intent_of(Outcome.SUCCEEDED, amount_received=1),
        intent_of(Outcome.SUCCEEDED, charge=charge(amount_refunded=1)),
        intent_of(Outcome.SUCCEEDED, charge=charge(disputed=True)),
        intent_of(Outcome.CANCELED),
    ],
)
def test_other_money_at_stripe_is_refused(now: Intent) -> None:
    """Received, refunded, disputed or canceled since the reviewer looked."""
    with pytest.raises(CannotAcceptError, match="has changed since then"):
        raise_if_stripe_changed(listed(Kind.PAID_AFTER_CANCEL, PAID), now)


def test_the_same_money_is_carried_out() -> None:
    """Also where what was unknown turns out to be nothing."""
    raise_if_stripe_changed(listed(Kind.PAID_AFTER_CANCEL, PAID), PAID)
    unknown = intent_of(Outcome.SUCCEEDED, charge=None)
    raise_if_stripe_changed(listed(Kind.PAID_AFTER_CANCEL, unknown), PAID)


def test_of_the_paying_intent_only_its_payment_counts() -> None:
    """The stored values are those of the intent that the row holds, which was not paid."""
    found = listed(Kind.PAID_BY_OTHER_INTENT, intent_of(Outcome.CANCELED))
    raise_if_stripe_changed(found, PAID)
    with pytest.raises(CannotAcceptError):
        raise_if_stripe_changed(found, intent_of(Outcome.PROCESSING))
