from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.domain.model.intent import Event, Snapshot
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import Outcome
from reconciler.errors import MalformedAnswerError, StripeRequestError
from tests.unit.gateway.canned_server import CREATED, SECRET, charge, event, intent, page, reply
from tests.unit.gateway.conftest import Serve

AT = datetime.fromtimestamp(CREATED, UTC)
ALL = TimeRange()


def at(seconds: int, ident: str, **changes: Any) -> dict[str, Any]:
    return intent(id=ident, created=CREATED + seconds, **changes)


def test_a_page_says_where_the_next_one_begins(serve: Serve) -> None:
    """With has_more, the last id is the cursor of the next page; without it the list has ended."""
    gateway = serve(
        reply(page([at(2, "pi_b"), at(1, "pi_a")], has_more=True)), reply(page([at(0, "pi_0")]))
    ).gateway
    first = gateway.list_intents(ALL)
    second = gateway.list_intents(ALL, first.next_after)
    assert [item.id for item in first.intents] == ["pi_b", "pi_a"]
    assert (first.next_after, second.next_after) == ("pi_a", None)
    assert first.seen_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert first.request_id == "req_abc"


def test_an_empty_list_has_ended(serve: Serve) -> None:
    """No object in the range is an answer, not an error."""
    found = serve(reply(page([]))).gateway.list_intents(ALL)
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
    serve: Serve, broken: dict[str, Any], place: int
) -> None:
    """A page names the intent that cannot be read and returns the others, in any position; the cursor moves past it."""
    items = [at(2, "pi_c"), at(1, "pi_b"), at(0, "pi_a")]
    items[place] |= broken
    lost = items[place]["id"]
    served = serve(reply(page(items, has_more=True)))
    found = served.gateway.list_intents(ALL)
    assert found.unreadable == (lost,)
    assert [item.id for item in found.intents] == [
        item["id"] for item in items if item["id"] != lost
    ]
    assert (found.next_after, served.gateway.reads) == ("pi_a", 1)


@pytest.mark.parametrize("bad_id", [{"id": None}, {"id": "pi/../x"}, {"id": 7}])
def test_an_object_without_an_id_is_named_by_its_position(
    serve: Serve, bad_id: dict[str, Any]
) -> None:
    """If even the id is not readable, the position on the page says which object it was."""
    found = serve(reply(page([at(2, "pi_c"), at(1, "") | bad_id, at(0, "pi_a")]))).gateway
    seen = found.list_intents(ALL)
    assert seen.unreadable == ("object 2 of the page, whose id is not readable",)
    assert len(seen.intents) == 2


@pytest.mark.parametrize("item", [None, "pi_1", 5, []])
def test_an_item_that_is_no_object_does_not_lose_the_others(serve: Serve, item: Any) -> None:
    """An item of a list that is no object makes only itself unreadable."""
    seen = serve(reply(page([at(2, "pi_c"), item, at(0, "pi_a")]))).gateway.list_intents(ALL)
    assert len(seen.intents) == 2
    assert len(seen.unreadable) == 1


def test_text_that_is_not_utf_8_makes_only_its_object_unreadable(serve: Serve) -> None:
    """Bytes that are not UTF-8 in one intent leave the others readable."""
    body = reply(page([at(1, "pi_b"), at(0, "pi_a", status="NOT")])).split(b"\r\n\r\n", 1)[1]
    seen = serve(reply(body.replace(b"NOT", b"\xff\xfe\xfd"))).gateway.list_intents(ALL)
    assert ([item.id for item in seen.intents], seen.unreadable) == (["pi_b"], ("pi_a",))


def test_an_intent_shown_twice_is_one_intent(serve: Serve) -> None:
    """A page that repeats an intent does not let it be examined twice."""
    seen = serve(reply(page([at(1, "pi_b"), at(1, "pi_b"), at(0, "pi_a")]))).gateway.list_intents(
        ALL
    )
    assert [item.id for item in seen.intents] == ["pi_b", "pi_a"]


BAD_PAGES = {
    "empty with more": (page([], has_more=True), "empty, but says"),
    "cursor that stays": (page([at(1, "pi_b"), at(0, "pi_after")], has_more=True), "names the page that was just read as the next"),
    "oldest first": (page([at(0, "pi_a"), at(1, "pi_b")]), "newest objects first"),
    "no readable cursor": (page([at(1, "pi_b"), at(0, "") | {"id": 4}], has_more=True), "cannot request the next page"),
    "no data": ({"object": "list", "has_more": False}, "field data is not as Stripe"),
    "no has_more": ({"object": "list", "data": []}, "field has_more is not as Stripe"),
    "another object": (intent(), "is not as Stripe's API defines it for a list"),
    "data is no list": ({"object": "list", "has_more": False, "data": {}}, "data is not"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_PAGES)
def test_a_list_that_cannot_be_followed_is_refused_after_five_tries(
    serve: Serve, kind: str
) -> None:
    """A page that would skip intents or make the list endless is requested again, and refused after five tries."""
    body, why = BAD_PAGES[kind]
    served = serve(reply(body))
    with pytest.raises(MalformedAnswerError, match=why):
        served.gateway.list_intents(ALL, "pi_after")
    assert served.gateway.reads == 5


def test_one_bad_page_is_requested_again(serve: Serve) -> None:
    """A bad page is followed by a good one."""
    served = serve(reply(page([], has_more=True)), reply(page([at(0, "pi_a")])))
    assert len(served.gateway.list_intents(ALL).intents) == 1
    assert served.gateway.reads == 2


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
def test_a_range_is_sent_in_whole_seconds(
    serve: Serve, created: TimeRange, expected: list[tuple[str, int]]
) -> None:
    """Stripe's created has whole seconds: a bound between two seconds is rounded up, at both ends of the range."""
    served = serve(reply(page([])))
    served.gateway.list_intents(created)
    query = served.server.targets[0].split("?")[1]
    wanted = [f"created[{name}]={CREATED + seconds}" for name, seconds in expected]
    assert query.split("&") == ["limit=100", *wanted, "expand[0]=data.latest_charge"]


def test_both_ways_send_the_same_query(serve: Serve) -> None:
    """Without the SDK the gateway sends the same parameters, in the same format, with the same headers for Stripe."""
    served = serve(reply(page([])), api_key="sk_test_x", stripe_account="acct_7")
    created = TimeRange(AT, AT + timedelta(days=1))
    served.gateway.list_intents(created, "pi_7")
    served.gateway.list_events(created, ["charge.failed", "payment_intent.succeeded"], "evt_7")
    without_sdk, by_sdk = (target.split("?")[1].split("&") for target in served.server.targets)
    common = [f"created[gte]={CREATED}", f"created[lt]={CREATED + 86_400}"]
    assert without_sdk[:3] == by_sdk[:3] == ["limit=100", *common]
    assert without_sdk[3:] == ["starting_after=pi_7", "expand[0]=data.latest_charge"]
    assert by_sdk[3:] == [
        "starting_after=evt_7",
        "types[0]=charge.failed",
        "types[1]=payment_intent.succeeded",
    ]
    first, second = served.server.headers
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
    serve: Serve, about: dict[str, Any], expected: str | None
) -> None:
    """Events of intents, charges, refunds and disputes name their intent; other events name none."""
    body = page([event(type="x.y", data={"object": about, "previous_attributes": {}})])
    found = serve(reply(body)).gateway.list_events(ALL, ["x.y"])
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
    serve: Serve, changes: dict[str, Any], expected: Snapshot | None
) -> None:
    """An event of an intent carries the intent as it was then, if that is readable, in any API version. An
    unreadable snapshot makes neither the event nor its page unreadable."""
    about = intent(metadata={"order": "7", "email": "x"}) | changes
    served = serve(reply(page([event(data={"object": about})])), metadata_keys=["order"])
    found = served.gateway.list_events(ALL, ["x"]).events[0]
    assert (found.payment_intent, found.snapshot) == ("pi_1", expected)
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": "card_declined", "decline_code": "do_not_honor"}, "do_not_honor"),
        ({"code": "expired_card", "decline_code": None}, "expired_card"),
        ({"code": "a b\n", "decline_code": {"x": 1}}, None),
        ({"message": "jenny@example.com"}, None),
        (None, None),
        ("text", None),
    ],
)
def test_an_event_of_a_failed_attempt_has_its_code(
    serve: Serve, error: object, expected: str | None
) -> None:
    """The decline code, else the code of the error; nothing that is no code of Stripe's, and only in these events."""
    about = intent(last_payment_error=error)
    failed = event(type="payment_intent.payment_failed", data={"object": about})
    other = event(type="payment_intent.created", data={"object": about}, id="evt_2")
    found = serve(reply(page([failed, other]))).gateway.list_events(ALL, ["x"]).events
    assert [one.failure_code for one in found] == [expected, None]


@pytest.mark.parametrize(("pending", "delivered"), [(0, True), (2, False)])
def test_an_event_is_delivered_if_no_endpoint_is_pending(
    serve: Serve, pending: int, delivered: bool
) -> None:
    """pending_webhooks counts endpoints that have not acknowledged it."""
    found = serve(reply(page([event(pending_webhooks=pending)]))).gateway.list_events(ALL, ["x"])
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
def test_an_unreadable_event_makes_its_page_unreadable(
    serve: Serve, broken: dict[str, Any], field: str
) -> None:
    """An event that is left out could be the one that matters, so the whole page counts as not read."""
    served = serve(reply(page([event(id="evt_0"), event(**broken)])))
    with pytest.raises(MalformedAnswerError, match=field):
        served.gateway.list_events(ALL, ["x"])
    assert served.gateway.reads == 1


@pytest.mark.parametrize("count", [0, 21])
def test_events_are_requested_by_one_to_twenty_types(serve: Serve, count: int) -> None:
    """Stripe takes at most 20 types; without any it would list every event of the account."""
    served = serve(reply(page([])))
    with pytest.raises(StripeRequestError, match=f"names {count} types"):
        served.gateway.list_events(ALL, ["x"] * count)
    assert served.gateway.reads == 0


def test_all_charges_of_an_intent_are_read(serve: Serve) -> None:
    """Every attempt is read, over as many pages as there are."""
    served = serve(
        reply(page([charge(id="ch_3", status="succeeded")], has_more=True)),
        reply(page([charge(id="ch_2", status="failed", failure_code="card_declined")])),
    )
    found = served.gateway.list_charges("pi_1")
    assert [(item.id, item.failure_code) for item in found] == [
        ("ch_3", None),
        ("ch_2", "card_declined"),
    ]
    assert [target.split("?")[1] for target in served.server.targets] == [
        "limit=100&payment_intent=pi_1",
        "limit=100&starting_after=ch_3&payment_intent=pi_1",
    ]


def test_an_endless_list_of_charges_is_refused(serve: Serve) -> None:
    """A server that always has more does not hold the gateway without end: it reads ten pages."""
    numbers = iter(range(1000))
    served = serve(lambda _: reply(page([charge(id=f"ch_{next(numbers)}")], has_more=True)))
    with pytest.raises(MalformedAnswerError, match="does not end"):
        served.gateway.list_charges("pi_1")
    assert served.gateway.reads == 10


def test_an_unreadable_charge_makes_the_list_unreadable(serve: Serve) -> None:
    """Attempts are returned all or none."""
    with pytest.raises(MalformedAnswerError, match=r"charge ch_1 .* at amount"):
        serve(reply(page([charge(amount=None)]))).gateway.list_charges("pi_1")
