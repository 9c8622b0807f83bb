"""Stripe is down, or its answers are broken, wrong or hostile."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.sandbox import Faults, RequestFault
from reconciler.sandbox import SandboxAnswer as Wire
from tests.acceptance.world import EVENTS, LIST, NOW, RETRIEVE, TRIES, World

NOTHING_THERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("writing", [[], ["--record"], ["--apply"]])
def test_stripe_is_down(world: World, writing: list[str]) -> None:
    """Without a connection: exit 75, what could not be reached, what to check, the report, and no finding."""
    world.pay(1)
    before = world.substance()
    answer = world.sweep(*writing, RECONCILER_STRIPE__API_BASE=NOTHING_THERE)
    assert answer.code == 75
    report = answer.json
    assert (report["complete"], report["examined"], report["corrected"]) == (False, 0, 0)
    assert "api_base" in answer.err + str(report["stopped"])
    assert world.substance() == before


BREAKS = [
    RequestFault.SERVER_ERROR,
    RequestFault.BAD_GATEWAY,
    RequestFault.RESET,
    RequestFault.RESET_MIDWAY,
    RequestFault.TRUNCATED,
    RequestFault.MALFORMED,
]


def test_answers_that_stay_broken(world: World) -> None:
    """If the answer about a payment stays broken, in any way, that payment is named, the others are corrected: exit 75."""
    intents = [world.pay(key) for key in range(len(BREAKS) + 2)]
    for kind, intent in zip(BREAKS, intents, strict=False):
        world.stripe.faults.script(kind, times=TRIES, endpoint=RETRIEVE, target=intent)
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = world.sweep(*named, "--apply")
    assert answer.code == 75
    assert (answer.json["unexamined"], answer.json["corrected"]) == (len(BREAKS), 2)
    assert list(world.statuses().values()) == ["pending"] * len(BREAKS) + ["paid"] * 2
    again = world.sweep("--apply")
    assert (again.code, again.json["corrected"]) == (0, len(BREAKS))
    world.verify()


def test_answers_that_break_once(world: World) -> None:
    """If an answer breaks once, the next try succeeds and the sweep is complete."""
    intents = [world.pay(key) for key in range(len(BREAKS))]
    for kind, intent in zip(BREAKS, intents, strict=True):
        world.stripe.faults.script(kind, endpoint=RETRIEVE, target=intent)
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = world.sweep(*named, "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, len(BREAKS))


@pytest.mark.parametrize("kind", [*BREAKS, RequestFault.EMPTY_PAGE])
def test_a_list_that_stays_broken(world: World, kind: RequestFault) -> None:
    """The range that could not be listed is named, the pages before it are recorded, and no payment is "missing"."""
    for key in range(120):
        world.pay(key, age=timedelta(days=2, seconds=key))
    world.stripe.faults.script(kind, times=TRIES, endpoint=LIST, target="starting_after")
    answer = world.run("sweep", "--kind", "window", "--apply")
    assert answer.code == 75
    assert "the intents created" in answer.out
    statuses = list(world.statuses().values())
    assert (statuses.count("paid"), statuses.count("pending")) == (100, 20)
    assert set(world.kinds()) == {"missed_outcome"}


def test_a_page_that_repeats_an_item(world: World) -> None:
    """A payment that is on two pages is examined and corrected once."""
    for key in range(150):
        world.pay(key, age=timedelta(days=2, seconds=key))
    world.stripe.faults.script(RequestFault.REPEATED_ITEM, times=2, endpoint=LIST)
    answer = world.sweep("--kind", "window", "--apply")
    assert (answer.json["corrected"], answer.json["examined"]) == (150, 150)
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 150
    world.verify()


def test_a_page_that_skips_an_item(world: World) -> None:
    """A payment that the list leaves out is read because of its row, so it is corrected and not called missing."""
    for key in range(150):
        world.pay(key, age=timedelta(days=2, seconds=key))
    world.stripe.faults.script(RequestFault.SKIPPED_ITEM, times=2, endpoint=LIST)
    answer = world.sweep("--kind", "window", "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 150)
    assert answer.json["discrepancies"] == {"missed_outcome": 150}


def test_a_list_whose_cursor_does_not_move(world: World) -> None:
    """A list that always returns the same page is an error, not an endless loop."""
    intent = world.pay(1)
    item = json.loads(_retrieved(world, intent))
    body = {"object": "list", "url": "/v1/payment_intents", "has_more": True, "data": [item]}
    world.stripe.faults.script(
        RequestFault.ANSWER, times=100, endpoint=LIST, answer=Wire(200, json.dumps(body).encode())
    )
    answer = world.sweep("--kind", "window", "--apply")
    assert answer.code == 75
    assert world.stripe.requests.count(LIST) <= 3 * TRIES


def test_one_unreadable_item_of_a_page(world: World) -> None:
    """If one object of a page cannot be read, it is named, and the others are corrected."""
    good, bad = world.pay(1), world.pay(2)
    items = [json.loads(_retrieved(world, intent)) for intent in (bad, good)]
    items[0]["amount_received"] = 12.5
    body = {"object": "list", "url": "/v1/payment_intents", "has_more": False, "data": items}
    world.stripe.faults.script(
        RequestFault.ANSWER, times=10, endpoint=LIST, answer=Wire(200, json.dumps(body).encode())
    )
    answer = world.run("sweep", "--kind", "window", "--apply")
    assert bad in answer.out
    assert world.statuses()["1"] == "paid"


def _retrieved(world: World, intent: str) -> bytes:
    """Stripe's answer about an intent, with its charge."""
    import httpx

    answer = httpx.get(
        f"{world.server.url}/v1/payment_intents/{intent}",
        params={"expand[]": "latest_charge"},
        headers={"Authorization": f"Bearer {world.environ['STRIPE_API_KEY']}"},
    )
    return answer.content


def test_an_unknown_status(world: World) -> None:
    """An unknown status at Stripe or in the table is flagged once and never corrected: exit 0."""
    new, odd = world.pay(1), world.pay(2)
    world.stripe.set_status(new, "requires_something_new")
    world.execute("UPDATE public.payments SET status = 'unmapped' WHERE id = 2")
    world.pay(3)
    answer = world.sweep("--kind", "window", "--apply")
    assert answer.code == 0
    assert answer.json["discrepancies"] == {"missed_outcome": 1, "unknown_status": 2}
    assert world.statuses() == {"1": "pending", "2": "unmapped", "3": "paid"}
    found = world.run("discrepancies", "--json").json
    flagged = {item["payment_intent"] for item in found if item["kind"] == "unknown_status"}
    assert flagged == {new, odd}


def test_an_id_that_neither_side_knows(world: World) -> None:
    """A person names an id that neither side knows: the report says so, exit 75, and nothing is stored."""
    before = world.substance()
    answer = world.run("sweep", "--apply", "--payment-intent", "pi_unknown")
    assert answer.code == 75
    assert "Neither Stripe nor the table knows it" in answer.out
    assert world.substance() == before


@pytest.mark.parametrize(
    "stored", ["", " ", "ch_123", "pi_with/slash", "pi_ü", "pi_1?expand=x", "../charges", "x" * 300]
)
def test_a_row_without_a_valid_id(world: World, stored: str) -> None:
    """A value that is not an id makes no other request to Stripe, breaks no page, and is flagged if it is not empty."""
    world.pay(1)
    world.shop.insert(key=2, payment_intent=stored, status="pending", created=NOW.isoformat())
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.code == 0
    assert world.statuses() == {"1": "paid", "2": "pending"}
    expected = {"missed_outcome": 1, **({"missing_at_stripe": 1} if stored else {})}
    assert answer.json["discrepancies"] == expected
    asked = [seen.endpoint for seen in world.stripe.requests.recent]
    assert set(asked) <= {RETRIEVE, EVENTS, LIST}


def test_hostile_text(world: World) -> None:
    """Quotes, markup and control characters in a status neither break SQL nor control a terminal."""
    world.pay(1, "'; DROP TABLE payments; --")
    world.pay(2, "\x1b[31mred\x07")
    world.pay(3, "[bold]%s{0}")
    answer = world.run("sweep", "--kind", "window", "--apply")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert world.sweep("--kind", "window").json["discrepancies"] == {"unknown_status": 3}
    assert world.run("export").code == 0
    world.verify()


def test_a_sweep_with_many_broken_answers(world: World) -> None:
    """If one request in five fails, nothing wrong is written, and a later sweep without failures corrects the rest."""
    right_status = {}
    for key in range(60):
        becomes, right = [("succeed", "paid"), ("cancel", "canceled"), (None, "pending")][key % 3]
        world.pay(key, "pending", becomes)
        right_status[str(key)] = right
    without_faults = world.stripe.faults.shares
    world.stripe.faults.shares = replace(
        without_faults if isinstance(without_faults, Faults) else Faults(),
        seed=7,
        server_error=0.05,
        reset=0.04,
        truncated=0.04,
        malformed=0.03,
        bad_gateway=0.04,
    )
    answer = world.sweep("--apply")
    assert answer.code in (0, 75)
    for key, status in world.statuses().items():
        assert status in ("pending", right_status[key])
    world.stripe.faults.shares = without_faults
    assert world.sweep("--apply").code == 0
    assert world.statuses() == right_status
    assert len(world.ask("SELECT DISTINCT payment_key FROM reconciler.outbox")) == 40
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 40
    world.verify()


def test_stripe_s_clock_decides(world: World) -> None:
    """If this machine's clock is years wrong, Reconciler decides by Stripe's Date header, and the doctor reports a fault."""
    intent = world.pay(1, becomes=None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW - timedelta(seconds=60))
    assert world.sweep("--kind", "due", "--apply").json["waiting"] == 1
    answer = world.run("doctor")
    assert "clock" in answer.out
    assert answer.code == 78
