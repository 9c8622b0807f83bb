"""``sweep --again SWEEP``: makes the corrections of a sweep once more that a person has taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from reconciler.engine.actions.revert import raise_if_of_another_table
from reconciler.engine.report import SweepRequest
from reconciler.errors import UsageError

if TYPE_CHECKING:
    from reconciler.engine.account import OpenAccount


def request_again(account: OpenAccount, request: SweepRequest) -> SweepRequest:
    """The request with the intents whose corrections by that sweep are taken back now: it examines no other.

    Raises UsageError if this account has none of that sweep, and ConfigurationError if Reconciler's schema does not exist.
    """
    if request.again is None or request.intents:
        return request
    account.raise_if_no_schema()
    discrepancies = account.ports.new_discrepancy_store()
    raise_if_of_another_table(
        request.again, discrepancies.corrections(request.again), discrepancies.last_rebind()
    )
    intents = discrepancies.reverted_intents(request.again)
    if not intents:
        raise UsageError(
            f"sweep {request.again} of account {account.name} has no correction that a person has undone.",
            "List the undone corrections (reason reverted): reconciler discrepancies --state open",
        )
    return replace(request, intents=intents)
