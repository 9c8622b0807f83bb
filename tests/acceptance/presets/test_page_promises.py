"""What the pages of the presets say that a sweep finds, beyond the lost webhooks that every preset is tested with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from reconciler.entrypoints.init.presets import load_preset
from tests.acceptance.presets.applications import APPLICATIONS, table_name
from tests.acceptance.presets.test_presets import MakeInstallation, at, installation_of

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class Promise:
    """A situation and what is found. The payment has the key 51; another PaymentIntent may name it in its metadata."""

    preset: str
    happened: str | None
    """What happened to the payment's own PaymentIntent, as a method of the sandbox."""
    status: str
    found: str
    change: str = ""
    """A change of the payment's row afterwards."""
    other: Mapping[str, str] | None = None
    """The metadata of another PaymentIntent, which was paid; None if there is no other."""
    reason: str | None = None


PROMISES = [
    Promise(
        "medusa",
        "succeed",
        "pending",
        "missing_locally",
        "deleted_at = now()",
        None,
        "row_excluded",
    ),
    Promise(
        "medusa", "cancel", "pending", "paid_by_other_intent", other={"session_id": "payses_51"}
    ),
    Promise(
        "solidus",
        "fail",
        "checkout",
        "paid_by_other_intent",
        other={"solidus_order_number": "R0000000051"},
    ),
    Promise("spree", None, "pending", "paid_by_other_intent", other={"spree_order_id": "51"}),
    Promise("spree", "succeed", "expired", "paid_after_cancel"),
    Promise("pretix", "succeed", "canceled", "paid_after_cancel"),
    Promise(
        "pretix", "fail", "failed", "paid_by_other_intent", other={"order": "51", "event": "2"}
    ),
    Promise("cal-com", "succeed", "paid", "duplicate_payment", other={"bookingId": "51"}),
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda one: f"{one.preset}-{one.found}")
def test_the_sweep_finds_what_the_page_promises(
    make_installation: MakeInstallation, promise: Promise
) -> None:
    """One finding comes to those of the lost webhooks, which no status is mapped for: it is of the kind that the page names."""
    installation = installation_of(make_installation, promise.preset)
    application = APPLICATIONS[promise.preset]
    metadata = {name: text.format(key=51) for name, text in application.metadata.items()}
    made = installation.stripe.create_payment(1250, "eur", metadata=metadata, at=at(0))
    if promise.happened is not None:
        getattr(installation.stripe, promise.happened)(made.id, at=at(1))
    installation.execute(application.add(51, made.id, promise.status))
    if promise.change:
        table = table_name(load_preset(promise.preset))
        installation.execute(f"UPDATE {table} SET {promise.change} WHERE id::text LIKE '%51'")
    if promise.other is not None:
        other = installation.stripe.create_payment(1250, "eur", metadata=promise.other, at=at(60))
        installation.stripe.succeed(other.id, at=at(61))

    installation.sweep("--apply", "--yes", "--kind", "window", "--since", "30d")
    rows = installation.query(
        "SELECT kind, reason FROM reconciler.discrepancies WHERE reason IS DISTINCT FROM 'no_local_value'"
    )
    # the second payment of an order has no row of its own
    of_other = [("missing_locally", None)] if promise.found == "duplicate_payment" else []
    assert sorted(rows) == sorted([(promise.found, promise.reason), *of_other])
