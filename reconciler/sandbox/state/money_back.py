"""Refunds and disputes of a sandbox's payments, as Python code makes and changes them."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.state import refunds_and_disputes
from reconciler.sandbox.state.store import SandboxStore


class MoneyBack(SandboxStore):
    """The state of a sandbox, and the changes of money that went back."""

    def refund(
        self,
        ident: str,
        amount: int | None = None,
        *,
        reason: str | None = None,
        status: str = "succeeded",
        at: datetime | None = None,
    ) -> IntentRecord:
        """Refund the rest of the money, or ``amount``; the intent stays ``succeeded``."""
        step = partial(refunds_and_disputes.refund, amount=amount, reason=reason, status=status)
        return self._change(ident, at, step)

    def change_refund(
        self,
        refund_id: str,
        status: str,
        *,
        failure_reason: str | None = None,
        at: datetime | None = None,
    ) -> IntentRecord:
        """Let a refund succeed, fail or be canceled."""
        changing = self.find(lambda records: records.refunds.get(refund_id), "refund", refund_id)
        step = partial(
            refunds_and_disputes.change_refund,
            changing=changing,
            status=status,
            failure_reason=failure_reason,
        )
        return self._change(changing.payment_intent, at, step, charge=changing.charge)

    def dispute(
        self,
        ident: str,
        *,
        reason: str = "fraudulent",
        amount: int | None = None,
        status: str = "needs_response",
        at: datetime | None = None,
    ) -> IntentRecord:
        """Open a dispute on the latest charge, or an inquiry (``warning_…``); the intent stays ``succeeded``."""
        step = partial(refunds_and_disputes.dispute, amount=amount, reason=reason, status=status)
        return self._change(ident, at, step)

    def change_dispute(
        self, dispute_id: str, status: str, *, at: datetime | None = None
    ) -> IntentRecord:
        """Change the status of a dispute: the merchant or the bank does something."""
        changing = self.find(
            lambda records: records.disputes.get(dispute_id), "dispute", dispute_id
        )
        step = partial(refunds_and_disputes.change_dispute, changing=changing, status=status)
        return self._change(changing.payment_intent, at, step, charge=changing.charge)
