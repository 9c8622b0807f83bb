"""The parameters of a list, and the check of an id before it goes into a request."""

from __future__ import annotations

import math
from typing import Any, Final

from reconciler.adapters.stripe_gateway.wire import is_id
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import StripeRequestError

PAGE_SIZE: Final = 100


def raise_if_no_id(value: str) -> None:
    """Raise StripeRequestError: an empty id would list instead of retrieve, a slash would request something else."""
    if not is_id(value):
        raise StripeRequestError(
            f"{value[:300]!r} cannot be the id of a Stripe object; Reconciler sent no request.",
            "Ids are up to 255 letters, digits and underscores, such as pi_3PgafyB7WZ01zgkW.",
        )


def list_parameters(created: TimeRange, after: str | None) -> dict[str, Any]:
    """The parameters that all lists share. Stripe's times are whole seconds."""
    params: dict[str, Any] = {"limit": PAGE_SIZE}
    bounds = {
        name: math.ceil(bound.timestamp())
        for name, bound in (("gte", created.since), ("lt", created.until))
        if bound is not None
    }
    if bounds:
        params["created"] = bounds
    if after is not None:
        raise_if_no_id(after)
        params["starting_after"] = after
    return params
