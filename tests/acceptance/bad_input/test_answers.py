"""Stripe is down, or its answers are broken, wrong or hostile."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.sandbox import Faults, RequestFault
from reconciler.sandbox import SandboxAnswer as Wire
from tests.acceptance.installation import EVENTS, LIST, NOW, RETRIEVE, TRIES, Installation
from tests.some_quick import some_quick

NOTHING_THERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("writing", [[], ["--record"], ["--apply"]])
def test_stripe_is_down(installation: Installation, writing: list[str]) -> None:
    """Without a connection: exit 75, what could not be reached, what to check, the report, and no finding."""
    installation.add_payment(1)
    before = installation.dump_results()
    answer = installation.sweep(*writing, RECONCILER_STRIPE__API_BASE=NOTHING_THERE)
    assert answer.code == 75
    report = answer.json
    assert (report["complete"], report["examined"], report["corrected"]) == (False, 0, 0)
    assert "api_base" in answer.err + str(report["stopped"])
    assert installation.dump_results() == before


BREAKS = [
    RequestFault.SERVER_ERROR,
    RequestFault.BAD_GATEWAY,
    RequestFault.RESET,
    RequestFault.RESET_MIDWAY,
    RequestFault.TRUNCATED,
    RequestFault.MALFORMED,
]


def test_answers_that_stay_broken(installation: Installation) -> None:
    """If the answer about a payment stays broken, in any way, that payment is named, the others are corrected: exit 75."""
    intents = [installation.add_payment(key) for key in range(len(BREAKS) + 2)]
    for kind, intent in zip(BREAKS, intents, strict=False):
        installation.stripe.faults.script(kind, times=TRIES, endpoint=RETRIEVE, target=intent)
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = installation.sweep(*named, "--apply")
    assert answer.code == 75
    assert (answer.json["unexamined"], answer.json["corrected"]) == (len(BREAKS), 2)
    assert list(installation.statuses().values()) == ["pending"] * len(BREAKS) + ["paid"] * 2
    again = installation.sweep("--apply")
    assert (again.code, again.json["corrected"]) == (0, len(BREAKS))
    installation.check_ledger()


def test_answers_that_break_once(installation: Installation) -> None:
    """If an answer breaks once, the next try succeeds and the sweep is complete."""
    intents = [installation.add_payment(key) for key in range(len(BREAKS))]
    for kind, intent in zip(BREAKS, intents, strict=True):
        installation.stripe.faults.script(kind, endpoint=RETRIEVE, target=intent)
    named = [word for intent in intents for word in ("--payment-intent", intent)]
    answer = installation.sweep(*named, "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, len(BREAKS))


@some_quick("kind", [*BREAKS, RequestFault.EMPTY_PAGE], quick=(1, 6))
def test_a_list_that_stays_broken(installation: Installation, kind: RequestFault) -> None:
    """The range that could not be listed is named, the pages before it are recorded, and no payment is "missing"."""
    for key in range(120):
        installation.add_payment(key, age=timedelta(days=2, seconds=key))
    installation.stripe.faults.script(kind, times=TRIES, endpoint=LIST, target="starting_after")
    answer = installation.run("sweep", "--kind", "window", "--apply")
    assert answer.code == 75
    assert "the intents created" in answer.out
    statuses = list(installation.statuses().values())
    assert (statuses.count("paid"), statuses.count("pending")) == (100, 20)
    assert set(installation.states_by_kind()) == {"missed_outcome"}


def test_a_page_that_repeats_an_item(installation: Installation) -> None:
    """A payment that is on two pages is examined and corrected once."""
    for key in range(150):
        installation.add_payment(key, age=timedelta(days=2, seconds=key))
    installation.stripe.faults.script(RequestFault.REPEATED_ITEM, times=2, endpoint=LIST)
    answer = installation.sweep("--kind", "window", "--apply")
    assert (answer.json["corrected"], answer.json["examined"]) == (150, 150)
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 150
    installation.check_ledger()


def test_a_page_that_skips_an_item(installation: Installation) -> None:
    """A payment that the list leaves out is read because of its row, so it is corrected and not called missing."""
    for key in range(150):
        installation.add_payment(key, age=timedelta(days=2, seconds=key))
    installation.stripe.faults.script(RequestFault.SKIPPED_ITEM, times=2, endpoint=LIST)
    answer = installation.sweep("--kind", "window", "--apply")
    assert (answer.code, answer.json["corrected"]) == (0, 150)
    assert answer.json["discrepancies"] == {"missed_outcome": 150}


def test_a_list_whose_cursor_does_not_move(installation: Installation) -> None:
    """A list that always returns the same page is an error, not an endless loop."""
    intent = installation.add_payment(1)
    item = json.loads(_retrieved(installation, intent))
    body = {"object": "list", "url": "/v1/payment_intents", "has_more": True, "data": [item]}
    installation.stripe.faults.script(
        RequestFault.ANSWER, times=100, endpoint=LIST, answer=Wire(200, json.dumps(body).encode())
    )
    answer = installation.sweep("--kind", "window", "--apply")
    assert answer.code == 75
    assert installation.stripe.requests.count(LIST) <= 3 * TRIES


def test_one_unreadable_item_of_a_page(installation: Installation) -> None:
    """If one object of a page cannot be read, it is named, and the others are corrected."""
    good, bad = installation.add_payment(1), installation.add_payment(2)
    items = [json.loads(_retrieved(installation, intent)) for intent in (bad, good)]
    items[0]["amount_received"] = 12.5
    body = {"object": "list", "url": "/v1/payment_intents", "has_more": False, "data": items}
    installation.stripe.faults.script(
        RequestFault.ANSWER, times=10, endpoint=LIST, answer=Wire(200, json.dumps(body).encode())
    )
    answer = installation.run("sweep", "--kind", "window", "--apply")
    assert bad in answer.out
    assert installation.statuses()["1"] == "paid"


def _retrieved(installation: Installation, intent: str) -> bytes:
    """Stripe's answer about an intent, with its charge."""
    import httpx

    answer = httpx.get(
        f"{installation.server.url}/v1/payment_intents/{intent}",
        params={"expand[]": "latest_charge"},
        headers={"Authorization": f"Bearer {installation.environ['STRIPE_API_KEY']}"},
    )
    return answer.content


def test_an_unknown_status(installation: Installation) -> None:
    """An unknown status at Stripe or in the table is flagged once and never corrected: exit 0."""
    new, odd = installation.add_payment(1), installation.add_payment(2)
    installation.stripe.set_status(new, "requires_something_new")
    installation.execute("UPDATE public.payments SET status = 'unmapped' WHERE id = 2")
    installation.add_payment(3)
    answer = installation.sweep("--kind", "window", "--apply")
    assert answer.code == 0
    assert answer.json["discrepancies"] == {"missed_outcome": 1, "unknown_status": 2}
    assert installation.statuses() == {"1": "pending", "2": "unmapped", "3": "paid"}
    found = installation.run("discrepancies", "--json").json
    flagged = {item["payment_intent"] for item in found if item["kind"] == "unknown_status"}
    assert flagged == {new, odd}


def test_an_id_that_neither_side_knows(installation: Installation) -> None:
    """A person names an id that neither side knows: the report says so, exit 75, and nothing is stored."""
    before = installation.dump_results()
    answer = installation.run("sweep", "--apply", "--payment-intent", "pi_unknown")
    assert answer.code == 75
    assert "Neither Stripe nor your table knows this PaymentIntent" in answer.out
    assert installation.dump_results() == before


@some_quick(
    "stored",
    ["", " ", "ch_123", "pi_with/slash", "pi_ü", "pi_1?expand=x", "../charges", "x" * 300],
    quick=(0, 2, 6),
)
def test_a_row_without_a_valid_id(installation: Installation, stored: str) -> None:
    """A value that is not an id of Stripe's makes no request, breaks no page, and is counted if it is not blank."""
    valid = installation.add_payment(1)
    installation.shop.insert(
        key=2, payment_intent=stored, status="pending", created=NOW.isoformat()
    )
    answer = installation.sweep("--kind", "due", "--apply")
    assert answer.code == 0
    assert installation.statuses() == {"1": "paid", "2": "pending"}
    assert answer.json["discrepancies"] == {"missed_outcome": 1}
    counted = answer.json["other_ids"] + answer.json["ids_without_intent"]
    assert counted == (1 if stored.strip() else 0)
    recent = installation.stripe.requests.recent
    # what looks like a charge's id is looked up once
    others = [seen for seen in recent if seen.endpoint not in (RETRIEVE, EVENTS, LIST)]
    assert len(others) == (1 if stored.startswith("ch_") else 0)
    retrieved = [seen.target for seen in recent if seen.endpoint == RETRIEVE]
    assert [target for target in retrieved if valid not in target] == []


def test_hostile_text(installation: Installation) -> None:
    """Quotes, markup and control characters in a status neither break SQL nor control a terminal."""
    installation.add_payment(1, "'; DROP TABLE payments; --")
    installation.add_payment(2, "\x1b[31mred\x07")
    installation.add_payment(3, "[bold]%s{0}")
    answer = installation.run("sweep", "--kind", "window", "--apply")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert installation.sweep("--kind", "window").json["discrepancies"] == {"unknown_status": 3}
    assert installation.run("export").code == 0
    installation.check_ledger()


def test_a_sweep_with_many_broken_answers(installation: Installation) -> None:
    """If one request in five fails, nothing wrong is written, and a later sweep without failures corrects the rest."""
    right_status, named = {}, []
    for key in range(60):
        becomes, right = [("succeed", "paid"), ("cancel", "canceled"), (None, "pending")][key % 3]
        # each is read by itself, so that each answer can be broken
        named += ["--payment-intent", installation.add_payment(key, "pending", becomes)]
        right_status[str(key)] = right
    without_faults = installation.stripe.faults.shares
    installation.stripe.faults.shares = replace(
        without_faults if isinstance(without_faults, Faults) else Faults(),
        seed=7,
        server_error=0.05,
        reset=0.04,
        truncated=0.04,
        malformed=0.03,
        bad_gateway=0.04,
    )
    answer = installation.sweep(*named, "--apply")
    assert answer.code in (0, 75)
    for key, status in installation.statuses().items():
        assert status in ("pending", right_status[key])
    requests = installation.stripe.requests
    assert requests.count(RETRIEVE) > len(right_status), "no read was made again"
    assert any(status != 200 for _, status in requests.counts)
    installation.stripe.faults.shares = without_faults
    assert installation.sweep(*named, "--apply").code == 0
    assert installation.statuses() == right_status
    assert len(installation.query_dicts("SELECT DISTINCT payment_key FROM reconciler.outbox")) == 40
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == 40
    installation.check_ledger()


def test_stripe_s_clock_decides(installation: Installation) -> None:
    """If this machine's clock is years wrong, Reconciler decides by Stripe's Date header, and the doctor reports a fault."""
    intent = installation.add_payment(1, becomes=None, age=timedelta(hours=1))
    installation.stripe.succeed(intent, at=NOW - timedelta(seconds=60))
    assert installation.sweep("--kind", "due", "--apply").json["waiting"] == 1
    answer = installation.run("doctor")
    assert "clock" in answer.out
    assert answer.code == 78
