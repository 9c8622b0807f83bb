from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.adapters.stripe_gateway import NEEDED
from reconciler.clock import ManualClock
from reconciler.errors import MalformedAnswerError, StripeRefusedError
from tests.unit.gateway.canned import error, page, reply
from tests.unit.gateway.conftest import Rigging

THERE = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answers(found: dict[str, bytes], otherwise: bytes) -> Any:
    return lambda target: found.get(target.split("?")[0].rsplit("/", 1)[1], otherwise)


def test_every_resource_is_looked_at_once(rig: Rigging) -> None:
    """The doctor's look costs one read a resource, of one object each."""
    made = rig(reply(page([])))
    access = made.gateway.probe()
    assert made.server.targets == [f"/v1/{resource}?limit=1" for resource in NEEDED]
    assert all(entry.ok for entry in access.resources)
    assert access.missing == ()
    assert access.seen_livemode is None


def test_every_missing_permission_is_found_at_once(rig: Rigging) -> None:
    """Each refused resource is named with its permission: as Stripe's message says, else as documented."""
    named = error(
        403, "Having the 'rak_dispute_read' permission would allow this request to continue."
    )
    made = rig(answers({"disputes": named, "refunds": error(403, "No.")}, reply(page([]))))
    access = made.gateway.probe()
    refused = {entry.resource: entry.missing for entry in access.resources if not entry.ok}
    assert refused == {"refunds": "rak_charge_read", "disputes": "rak_dispute_read"}
    assert access.missing == ("rak_charge_read", "rak_dispute_read")
    assert "Read on Disputes" in access.resources[-1].hint


@pytest.mark.parametrize(
    ("key", "restricted", "livemode"),
    [
        ("rk_live_x", True, True),
        ("sk_test_x", False, False),
        ("rk_test_x", True, False),
        ("sk_live_x", False, True),
        ("sk_org_live_x", None, None),
    ],
)
def test_the_key_tells_its_kind(
    rig: Rigging, key: str, restricted: bool | None, livemode: bool | None
) -> None:
    """The prefix tells a restricted key from a full one and live from test; an unknown one tells nothing."""
    access = rig(reply(page([])), api_key=key).gateway.probe()
    assert (access.restricted, access.key_livemode) == (restricted, livemode)


@pytest.mark.parametrize(
    ("modes", "seen"),
    [([True, True], True), ([False], False), ([True, False], None), ([None], None)],
)
def test_the_mode_is_that_of_the_objects(
    rig: Rigging, modes: list[bool | None], seen: bool | None
) -> None:
    """What the key shows says which mode it is of, whatever its prefix; objects of both modes say nothing."""
    items = [{"id": "x", "livemode": mode} for mode in modes]
    assert rig(reply(page(items))).gateway.probe().seen_livemode is seen


@pytest.mark.parametrize("date", ["Sun, 01 Mar 2026 12:00:00 GMT", None])
def test_the_skew_is_stripes_clock_less_ours(
    rig: Rigging, clock: ManualClock, date: str | None
) -> None:
    """A wrong clock of ours shows against Stripe's Date; without one nothing can be said."""
    expected = None if date is None else THERE - clock.now()
    assert rig(reply(page([]), date=date)).gateway.probe().skew == expected
    assert expected is None or abs(expected) > timedelta(days=1)


@pytest.mark.parametrize("refusal", [error(401), error(403, code="account_invalid")])
def test_an_unknown_key_or_account_ends_the_look(rig: Rigging, refusal: bytes) -> None:
    """A key that Stripe does not know, or that may not act for the account, has no permissions to name."""
    made = rig(refusal)
    with pytest.raises(StripeRefusedError):
        made.gateway.probe()
    assert made.gateway.reads == 1


@pytest.mark.parametrize("body", [{"object": "list"}, page([5]), [1]])
def test_a_look_at_something_that_is_no_list_fails(rig: Rigging, body: Any) -> None:
    """An answer that is no list says nothing about a permission."""
    with pytest.raises(MalformedAnswerError):
        rig(reply(body)).gateway.probe()
