"""A Stripe that is down, slow, or answers what it never should."""

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
    """No connection: exit 75, what could not be reached and what to check, the report, and nothing concluded."""
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


def test_one_broken_answer_each(world: World) -> None:
    """Whatever way an answer breaks, for good: that payment is named, the others are corrected, exit 75."""
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


def test_each_broken_answer_once(world: World) -> None:
    """A passing fault is none: the next try has it, and the sweep is complete."""
    intents = [world.pay(key) for key in range(len(BREAKS))]
    for kind, intent in zip(BREAKS, intents, strict=True):
        world.stripe.faults.script(kind, endpoint=RETRIEVE, target=intent)
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = world.sweep(*named, "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, len(BREAKS))


@pytest.mark.parametrize("kind", [*BREAKS, RequestFault.EMPTY_PAGE])
def test_a_list_that_breaks_for_good(world: World, kind: RequestFault) -> None:
    """The stretch that could not be listed is named; what was listed before is recorded; nothing is "missing"."""
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
    """A payment that two pages show is examined and corrected once."""
    for key in range(150):
        world.pay(key, age=timedelta(days=2, seconds=key))
    world.stripe.faults.script(RequestFault.REPEATED_ITEM, times=2, endpoint=LIST)
    answer = world.sweep("--kind", "window", "--apply")
    assert (answer.json["corrected"], answer.json["examined"]) == (150, 150)
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 150
    world.verify()


def test_a_page_that_skips_an_item(world: World) -> None:
    """A payment that the list leaves out is asked for by its row: it is neither missing nor lost."""
    for key in range(150):
        world.pay(key, age=timedelta(days=2, seconds=key))
    world.stripe.faults.script(RequestFault.SKIPPED_ITEM, times=2, endpoint=LIST)
    answer = world.sweep("--kind", "window", "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 150)
    assert answer.json["discrepancies"] == {"missed_outcome": 150}


def test_a_list_that_never_ends(world: World) -> None:
    """A cursor that does not move on is an error, not a loop."""
    intent = world.pay(1)
    item = json.loads(_retrieved(world, intent))
    body = {"object": "list", "url": "/v1/payment_intents", "has_more": True, "data": [item]}
    world.stripe.faults.script(
        RequestFault.ANSWER, times=100, endpoint=LIST, answer=Wire(200, json.dumps(body).encode())
    )
    answer = world.sweep("--kind", "window", "--apply")
    assert answer.code == 75
    assert world.stripe.requests.count(LIST) <= 3 * TRIES


def test_one_unreadable_item_does_not_lose_its_page(world: World) -> None:
    """Of a page with one object that makes no sense, the others are corrected and that one is named."""
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
    """What Stripe says of an intent, its charge expanded."""
    import httpx

    answer = httpx.get(
        f"{world.server.url}/v1/payment_intents/{intent}",
        params={"expand[]": "latest_charge"},
        headers={"Authorization": f"Bearer {world.environ['STRIPE_API_KEY']}"},
    )
    return answer.content


def test_a_status_that_nobody_knows(world: World) -> None:
    """A new status of Stripe's, and one of the table's, are flagged once and acted upon never; exit 0."""
    new, odd = world.pay(1), world.pay(2)
    world.stripe.set_status(new, "requires_astrology")
    world.execute("UPDATE public.payments SET status = 'shrug' WHERE id = 2")
    world.pay(3)
    answer = world.sweep("--kind", "window", "--apply")
    assert answer.code == 0
    assert answer.json["discrepancies"] == {"missed_outcome": 1, "unknown_status": 2}
    assert world.statuses() == {"1": "pending", "2": "shrug", "3": "paid"}
    found = world.run("discrepancies", "--json").json
    flagged = {item["payment_intent"] for item in found if item["kind"] == "unknown_status"}
    assert flagged == {new, odd}


def test_an_id_that_neither_side_knows(world: World) -> None:
    """A person asked for it by name: it is said, exit 75, and nothing is stored."""
    before = world.substance()
    answer = world.run("sweep", "--apply", "--payment-intent", "pi_nobody")
    assert answer.code == 75
    assert "Neither Stripe nor the table knows it" in answer.out
    assert world.substance() == before


@pytest.mark.parametrize(
    "stored", ["", " ", "ch_123", "pi_with/slash", "pi_ü", "pi_1?expand=x", "../charges", "x" * 300]
)
def test_what_a_row_holds_may_be_no_id(world: World, stored: str) -> None:
    """Rubbish in the table asks for nothing else at Stripe, breaks no page, and is flagged where it is something."""
    world.pay(1)
    world.shop.insert(key=2, payment_intent=stored, status="pending", created=NOW.isoformat())
    answer = world.sweep("--kind", "due", "--apply")
    assert answer.code == 0
    assert world.statuses() == {"1": "paid", "2": "pending"}
    expected = {"missed_outcome": 1, **({"missing_at_stripe": 1} if stored else {})}
    assert answer.json["discrepancies"] == expected
    asked = [seen.endpoint for seen in world.stripe.requests.recent]
    assert set(asked) <= {RETRIEVE, EVENTS, LIST}


def test_hostile_text_is_text(world: World) -> None:
    """Quotes, markup and control characters in statuses and ids neither break SQL nor steer a terminal."""
    world.pay(1, "'; DROP TABLE payments; --")
    world.pay(2, "\x1b[31mred\x07")
    world.pay(3, "[bold]%s{0}")
    answer = world.run("sweep", "--kind", "window", "--apply")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert world.sweep("--kind", "window").json["discrepancies"] == {"unknown_status": 3}
    assert world.run("export").code == 0
    world.verify()


def test_a_whole_pass_in_bad_weather(world: World) -> None:
    """One request in five goes wrong somehow: nothing wrong is written, and sweeps in fair weather finish the rest."""
    truth = {}
    for key in range(60):
        becomes, right = [("succeed", "paid"), ("cancel", "canceled"), (None, "pending")][key % 3]
        world.pay(key, "pending", becomes)
        truth[str(key)] = right
    fair = world.stripe.faults.shares
    world.stripe.faults.shares = replace(
        fair if isinstance(fair, Faults) else Faults(),
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
        assert status in ("pending", truth[key])
    world.stripe.faults.shares = fair
    assert world.sweep("--apply").code == 0
    assert world.statuses() == truth
    assert len(world.ask("SELECT DISTINCT payment_key FROM reconciler.outbox")) == 40
    assert len(world.ask("SELECT * FROM reconciler.outbox")) == 40
    world.verify()


def test_stripes_clock_decides(world: World) -> None:
    """A machine whose clock is years off judges by Stripe's Date header, and the doctor says that it is off."""
    intent = world.pay(1, becomes=None, age=timedelta(hours=1))
    world.stripe.succeed(intent, at=NOW - timedelta(seconds=60))
    assert world.sweep("--kind", "due", "--apply").json["waiting"] == 1
    answer = world.run("doctor")
    assert "clock" in answer.out
    assert answer.code == 78
