"""The settings of the demonstration's sweep: what an engineer would configure for this shop."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import SecretStr

from reconciler.demo.simulation import APP
from reconciler.domain.outcome import Outcome
from reconciler.engine.report import Mode
from reconciler.sandbox import TEST_KEY
from reconciler.settings import (
    Account,
    BudgetSection,
    CorrectionsSection,
    DatabaseSection,
    PaymentsSection,
    Settings,
    StripeSection,
    SweepSection,
)

ACCOUNT: Final = "default"
GRACE: Final = timedelta(minutes=2)
HORIZON: Final = timedelta(days=30)
SHARE: Final = 0.8
"""A larger share of Stripe's limits than the default: this shop's checkout makes no requests meanwhile."""

READ: Final = {
    "pending": Outcome.INCOMPLETE,
    "failed": Outcome.FAILED,
    "processing": Outcome.PROCESSING,
    "authorized": Outcome.AUTHORIZED,
    "paid": Outcome.SUCCEEDED,
    "canceled": Outcome.CANCELED,
    "refunded": Outcome.REFUNDED,
    "disputed": Outcome.DISPUTED,
}
WRITE: Final = {
    Outcome.FAILED: "failed",
    Outcome.PROCESSING: "processing",
    Outcome.AUTHORIZED: "authorized",
    Outcome.SUCCEEDED: "paid",
    Outcome.CANCELED: "canceled",
}


def settings(stripe_url: str, database_url: str) -> Settings:
    """All settings that a sweep needs, with the sandbox's test key."""
    return Settings(
        source=None,
        stripe=StripeSection(api_base=stripe_url, livemode=False),
        database=DatabaseSection(url=SecretStr(database_url)),
        payments=PaymentsSection(
            table="shop.payments",
            key="id",
            payment_intent="stripe_payment_intent_id",
            status="status",
            amount="amount",
            currency="currency",
            created="created_at",
            updated="updated_at",
            order="order_id",
            link_metadata="order_id",
            metadata={"app": APP},
            read=READ,
            write=WRITE,
        ),
        corrections=CorrectionsSection(mode=Mode.UPDATE, grace=GRACE),
        budget=BudgetSection(share=SHARE),
        sweep=SweepSection(horizon=HORIZON),
        accounts=(
            Account(name=ACCOUNT, key=SecretStr(TEST_KEY), stripe_account=None, livemode=False),
        ),
    )
