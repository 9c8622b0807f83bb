from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.errors import MalformedAnswerError, StripeRequestError
from tests.unit.gateway.canned import CREATED, SECRET, charge, event, intent, page, reply
from tests.unit.gateway.conftest import Rigging

AT = datetime.fromtimestamp(CREATED, UTC)
ALL = TimeRange()


def at(seconds: int, ident: str, **changes: Any) -> dict[str, Any]:
    return intent(id=ident, created=CREATED + seconds, **changes)


def test_a_page_says_where_the_next_one_begins(rig: Rigging) -> None:
    """has_more makes the last id the cursor; without it the list has ended."""
    gateway = rig(
        reply(page([at(2, "pi_b"), at(1, "pi_a")], has_more=True)), reply(page([at(0, "pi_0")]))
    ).gateway
    first = gateway.list_intents(ALL)
    second = gateway.list_intents(ALL, first.next_after)
    assert [item.id for item in first.intents] == ["pi_b", "pi_a"]
    assert (first.next_after, second.next_after) == ("pi_a", None)
    assert first.seen_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert first.request_id == "req_abc"


def test_an_empty_list_has_ended(rig: Rigging) -> None:
    """Nothing in the range is an answer, not an error."""
    found = rig(reply(page([]))).gateway.list_intents(ALL)
    assert (found.intents, found.unreadable, found.next_after) == ((), (), None)


@pytest.mark.parametrize(
    "broken",
    [
        {"amount": 1.5},
        {"created": None},
        {"latest_charge": "ch_1"},
        {"latest_charge": charge(amount_refunded=None)},
        {"object": "charge"},
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_unreadable_intent_does_not_lose_the_others(
    rig: Rigging, broken: dict[str, Any], place: int
) -> None:
    """A page names what it could not read and brings the rest, wherever it stands; the cursor goes past it."""
    items = [at(2, "pi_c"), at(1, "pi_b"), at(0, "pi_a")]
    items[place] |= broken
    lost = items[place]["id"]
    made = rig(reply(page(items, has_more=True)))
    found = made.gateway.list_intents(ALL)
    assert found.unreadable == (lost,)
    assert [item.id for item in found.intents] == [
        item["id"] for item in items if item["id"] != lost
    ]
    assert (found.next_after, made.gateway.reads) == ("pi_a", 1)


@pytest.mark.parametrize("nameless", [{"id": None}, {"id": "pi/../x"}, {"id": 7}])
def test_an_object_without_an_id_is_named_by_its_place(
    rig: Rigging, nameless: dict[str, Any]
) -> None:
    """Where even the id is not readable, the place on the page says which object it was."""
    found = rig(reply(page([at(2, "pi_c"), at(1, "") | nameless, at(0, "pi_a")]))).gateway
    seen = found.list_intents(ALL)
    assert seen.unreadable == ("object 2 of the page, whose id is not readable",)
    assert len(seen.intents) == 2


@pytest.mark.parametrize("item", [None, "pi_1", 5, []])
def test_an_item_that_is_no_object_does_not_lose_the_others(rig: Rigging, item: Any) -> None:
    """Whatever stands in a list instead of an object costs only its own place."""
    seen = rig(reply(page([at(2, "pi_c"), item, at(0, "pi_a")]))).gateway.list_intents(ALL)
    assert len(seen.intents) == 2
    assert len(seen.unreadable) == 1


def test_text_that_is_not_utf_8_costs_its_own_object_alone(rig: Rigging) -> None:
    """Bytes that are no UTF-8 in one intent leave the others readable."""
    body = reply(page([at(1, "pi_b"), at(0, "pi_a", status="NOT")])).split(b"\r\n\r\n", 1)[1]
    seen = rig(reply(body.replace(b"NOT", b"\xff\xfe\xfd"))).gateway.list_intents(ALL)
    assert ([item.id for item in seen.intents], seen.unreadable) == (["pi_b"], ("pi_a",))


def test_an_intent_shown_twice_is_one(rig: Rigging) -> None:
    """A page that repeats an intent does not let it be examined twice."""
    seen = rig(reply(page([at(1, "pi_b"), at(1, "pi_b"), at(0, "pi_a")]))).gateway.list_intents(ALL)
    assert [item.id for item in seen.intents] == ["pi_b", "pi_a"]


BAD_PAGES = {
    "empty with more": (page([], has_more=True), "empty and claims"),
    "cursor that stays": (page([at(1, "pi_b"), at(0, "pi_after")], has_more=True), "not move on"),
    "oldest first": (page([at(0, "pi_a"), at(1, "pi_b")]), "not newest first"),
    "no readable cursor": (page([at(1, "pi_b"), at(0, "") | {"id": 4}], has_more=True), "go on from"),
    "no data": ({"object": "list", "has_more": False}, "data is not what a list has"),
    "no has_more": ({"object": "list", "data": []}, "has_more is not what a list has"),
    "another object": (intent(), "is not what a list has"),
    "data is no list": ({"object": "list", "has_more": False, "data": {}}, "data is not"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_PAGES)
def test_a_list_that_cannot_be_followed_is_refused_after_some_tries(
    rig: Rigging, kind: str
) -> None:
    """A page that would make us skip intents or go round for ever is no page: it is asked for again, then given up."""
    body, why = BAD_PAGES[kind]
    made = rig(reply(body))
    with pytest.raises(MalformedAnswerError, match=why):
        made.gateway.list_intents(ALL, "pi_after")
    assert made.gateway.reads == 5


def test_a_glitch_in_a_page_is_overcome(rig: Rigging) -> None:
    """One bad page and then a good one is a good one."""
    made = rig(reply(page([], has_more=True)), reply(page([at(0, "pi_a")])))
    assert len(made.gateway.list_intents(ALL).intents) == 1
    assert made.gateway.reads == 2


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (TimeRange(), []),
        (TimeRange(AT, AT + timedelta(hours=1)), [("gte", 0), ("lt", 3600)]),
        (TimeRange(AT + timedelta(milliseconds=1), None), [("gte", 1)]),
        (TimeRange(None, AT + timedelta(milliseconds=1)), [("lt", 1)]),
    ],
    ids=["all", "both", "since a fraction", "until a fraction"],
)
def test_a_range_goes_over_in_whole_seconds(
    rig: Rigging, created: TimeRange, expected: list[tuple[str, int]]
) -> None:
    """Stripe's created has whole seconds: a bound between two of them is the later, on either side."""
    made = rig(reply(page([])))
    made.gateway.list_intents(created)
    query = made.server.targets[0].split("?")[1]
    wanted = [f"created[{name}]={CREATED + seconds}" for name, seconds in expected]
    assert query.split("&") == ["limit=100", *wanted, "expand[0]=data.latest_charge"]


def test_both_ways_write_a_query_alike(rig: Rigging) -> None:
    """The straight way sends the same parameters as the SDK, in its form, with the same headers for Stripe."""
    made = rig(reply(page([])), api_key="sk_test_x", stripe_account="acct_7")
    created = TimeRange(AT, AT + timedelta(days=1))
    made.gateway.list_intents(created, "pi_7")
    made.gateway.list_events(created, ["charge.failed", "payment_intent.succeeded"], "evt_7")
    straight, by_sdk = (target.split("?")[1].split("&") for target in made.server.targets)
    common = [f"created[gte]={CREATED}", f"created[lt]={CREATED + 86_400}"]
    assert straight[:3] == by_sdk[:3] == ["limit=100", *common]
    assert straight[3:] == ["starting_after=pi_7", "expand[0]=data.latest_charge"]
    assert by_sdk[3:] == [
        "starting_after=evt_7",
        "types[0]=charge.failed",
        "types[1]=payment_intent.succeeded",
    ]
    first, second = made.server.headers
    for name in ("authorization", "stripe-version", "stripe-account"):
        assert first[name] == second[name]
    assert first["authorization"] == "Bearer sk_test_x"
    assert second["user-agent"].startswith(first["user-agent"])


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (intent(id="pi_9"), "pi_9"),
        (charge(payment_intent="pi_9"), "pi_9"),
        (charge(payment_intent=intent(id="pi_9")), "pi_9"),
        (charge(payment_intent=None), None),
        ({"object": "refund", "id": "re_1", "payment_intent": "pi_9"}, "pi_9"),
        ({"object": "dispute", "id": "dp_1", "payment_intent": "pi_9"}, "pi_9"),
        ({"object": "checkout.session", "id": "cs_1"}, None),
        ({"object": "something.new"}, None),
    ],
)
def test_an_event_names_its_intent(
    rig: Rigging, about: dict[str, Any], expected: str | None
) -> None:
    """Events of intents, charges, refunds and disputes tell which intent they are about; others tell of none."""
    body = page([event(type="x.y", data={"object": about, "previous_attributes": {}})])
    found = rig(reply(body)).gateway.list_events(ALL, ["x.y"])
    assert [replace(item, snapshot=None) for item in found.events] == [
        Event("evt_1", "x.y", AT, expected, delivered=False)
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Snapshot(Outcome.SUCCEEDED, 1099, "usd", {"order": "7"})),
        (
            {"status": "requires_payment_method", "amount_received": 0, "last_payment_error": {}},
            Snapshot(Outcome.FAILED, 0, "usd", {"order": "7"}),
        ),
        (
            {"status": "requires_payment_method", "amount_received": 0, "currency": "EUR"},
            Snapshot(Outcome.INCOMPLETE, 0, "eur", {"order": "7"}),
        ),
        ({"metadata": {"order": 7}}, Snapshot(Outcome.SUCCEEDED, 1099, "usd")),
        ({"metadata": None}, Snapshot(Outcome.SUCCEEDED, 1099, "usd")),
        ({"amount_received": 10.99}, None),
        ({"amount_received": True}, None),
        ({"currency": None}, None),
        ({"status": 3}, None),
        ({"object": "charge", "payment_intent": "pi_1"}, None),
    ],
)
def test_an_event_carries_the_intent_as_it_was(
    rig: Rigging, changes: dict[str, Any], expected: Snapshot | None
) -> None:
    """An event of an intent carries what it was then, where that can be read in whatever API version it has; an
    unreadable snapshot loses neither the event nor its page."""
    about = intent(metadata={"order": "7", "email": "x"}) | changes
    made = rig(reply(page([event(data={"object": about})])), metadata_keys=["order"])
    found = made.gateway.list_events(ALL, ["x"]).events[0]
    assert (found.payment_intent, found.snapshot) == ("pi_1", expected)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(("pending", "delivered"), [(0, True), (2, False)])
def test_an_event_is_delivered_when_no_endpoint_waits(
    rig: Rigging, pending: int, delivered: bool
) -> None:
    """pending_webhooks counts endpoints that have not acknowledged it."""
    found = rig(reply(page([event(pending_webhooks=pending)]))).gateway.list_events(ALL, ["x"])
    assert found.events[0].delivered is delivered


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        ({"id": "evt/1"}, "id"),
        ({"created": None}, "created"),
        ({"data": None}, "data"),
        ({"data": {"object": intent(id="")}}, "data.object.id"),
        ({"data": {"object": charge(payment_intent=5)}}, "data.object.payment_intent"),
    ],
)
def test_an_unreadable_event_loses_its_page(
    rig: Rigging, broken: dict[str, Any], field: str
) -> None:
    """An event that was left out could be the one that matters, so that the page counts as not read."""
    made = rig(reply(page([event(id="evt_0"), event(**broken)])))
    with pytest.raises(MalformedAnswerError, match=field):
        made.gateway.list_events(ALL, ["x"])
    assert made.gateway.reads == 1


@pytest.mark.parametrize("count", [0, 21])
def test_events_are_asked_for_by_one_to_twenty_types(rig: Rigging, count: int) -> None:
    """Stripe takes no more than 20 types; without any it would list every event of the account."""
    made = rig(reply(page([])))
    with pytest.raises(StripeRequestError, match=f"not of {count}"):
        made.gateway.list_events(ALL, ["x"] * count)
    assert made.gateway.reads == 0


def test_all_charges_of_an_intent_are_read(rig: Rigging) -> None:
    """Every attempt counts, over as many pages as there are."""
    made = rig(
        reply(page([charge(id="ch_3", status="succeeded")], has_more=True)),
        reply(page([charge(id="ch_2", status="failed", failure_code="card_declined")])),
    )
    found = made.gateway.list_charges("pi_1")
    assert [(item.id, item.failure_code) for item in found] == [
        ("ch_3", None),
        ("ch_2", "card_declined"),
    ]
    assert [target.split("?")[1] for target in made.server.targets] == [
        "limit=100&payment_intent=pi_1",
        "limit=100&starting_after=ch_3&payment_intent=pi_1",
    ]


def test_a_list_of_charges_without_an_end_is_given_up(rig: Rigging) -> None:
    """A server that always has more does not hold us for ever."""
    numbers = iter(range(1000))
    made = rig(lambda _: reply(page([charge(id=f"ch_{next(numbers)}")], has_more=True)))
    with pytest.raises(MalformedAnswerError, match="does not end"):
        made.gateway.list_charges("pi_1")
    assert made.gateway.reads == 10


def test_an_unreadable_charge_loses_the_list(rig: Rigging) -> None:
    """Attempts are shown all or none."""
    with pytest.raises(MalformedAnswerError, match=r"charge ch_1 .* at amount"):
        rig(reply(page([charge(amount=None)]))).gateway.list_charges("pi_1")
