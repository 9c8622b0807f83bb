from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway.key_access import (
    NEEDED,
    OPTIONAL,
    KeyAccess,
    read_key_access,
)
from reconciler.clock import ManualClock
from reconciler.errors import MalformedAnswerError, StripeRefusedError
from tests.unit.gateway.canned_server import error, page, reply
from tests.unit.gateway.conftest import Serve

STRIPE_TIME = datetime(2026, 3, 1, 12, tzinfo=UTC)


def missing(access: KeyAccess) -> dict[str, str | None]:
    """The resources that cannot be read, each with its missing permission."""
    return {entry.resource: entry.missing for entry in access.resources if not entry.ok}


def answers(found: dict[str, bytes], otherwise: bytes) -> Any:
    """Replies by resource; ``otherwise`` for the resources that are not in ``found``."""
    return lambda target: found.get(target.split("?")[0].rsplit("/", 1)[1], otherwise)


def test_every_resource_is_read_once(serve: Serve) -> None:
    """The doctor reads one object of each resource."""
    served = serve(reply(page([])))
    access = read_key_access(served.gateway)
    assert served.server.targets == [f"/v1/{resource}?limit=1" for resource in (*NEEDED, *OPTIONAL)]
    assert missing(access) == {}
    assert access.seen_livemode is None


def test_every_missing_permission_is_named(serve: Serve) -> None:
    """One run names the permission of each refused resource: the one in Stripe's message, else the documented one."""
    named = error(
        403, "Having the 'rak_dispute_read' permission would allow this request to continue."
    )
    served = serve(answers({"disputes": named, "refunds": error(403, "No.")}, reply(page([]))))
    access = read_key_access(served.gateway)
    assert missing(access) == {"refunds": "rak_charge_read", "disputes": "rak_dispute_read"}
    hints = {entry.resource: entry.hint for entry in access.resources}
    assert "Read on Disputes" in hints["disputes"]


@pytest.mark.parametrize(
    ("modes", "seen"),
    [([True, True], True), ([False], False), ([True, False], None), ([None], None)],
)
def test_the_mode_is_that_of_the_objects(
    serve: Serve, modes: list[bool | None], seen: bool | None
) -> None:
    """The objects say which mode the key is of, independent of the key's prefix. Objects of both modes say nothing."""
    items = [{"id": "x", "livemode": mode} for mode in modes]
    assert read_key_access(serve(reply(page(items))).gateway).seen_livemode is seen


@pytest.mark.parametrize("date", ["Sun, 01 Mar 2026 12:00:00 GMT", None])
def test_the_skew_is_stripes_clock_minus_this_machines(
    serve: Serve, clock: ManualClock, date: str | None
) -> None:
    """A wrong clock of this machine shows against Stripe's Date; without a Date it is unknown."""
    expected = None if date is None else STRIPE_TIME - clock.now()
    assert read_key_access(serve(reply(page([]), date=date)).gateway).skew == expected
    assert expected is None or abs(expected) > timedelta(days=1)


@pytest.mark.parametrize("refusal", [error(401), error(403, code="account_invalid")])
def test_an_unknown_key_or_account_ends_the_reads(serve: Serve, refusal: bytes) -> None:
    """A key that Stripe does not know, or that may not act for the account, has no permissions to name."""
    served = serve(refusal)
    with pytest.raises(StripeRefusedError):
        read_key_access(served.gateway)
    assert served.gateway.reads == 1


@pytest.mark.parametrize("body", [{"object": "list"}, page([5]), [1]])
def test_an_answer_that_is_no_list_fails(serve: Serve, body: Any) -> None:
    """An answer that is no list says nothing about a permission."""
    with pytest.raises(MalformedAnswerError):
        read_key_access(serve(reply(body)).gateway)
