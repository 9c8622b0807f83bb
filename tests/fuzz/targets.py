"""What is fuzzed, by name. An input that is wrong must be refused by one of Reconciler's own errors, and never by another one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Final

from reconciler.adapters.stripe_gateway import parsing
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import AttemptError, HttpAnswer
from reconciler.domain.audit.hash_chain import GENESIS, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_entry
from reconciler.errors import ReconcilerError
from tests.fuzz.attempt import Target, plain
from tests.fuzz.bending import bent
from tests.fuzz.command_lines import command_lines, command_processes
from tests.fuzz.configuration_files import configuration_files, environments
from tests.fuzz.delivery_answers import delivery_answers
from tests.fuzz.merchant_rows import merchant_rows
from tests.fuzz.metrics_port import metrics_port
from tests.unit.gateway.canned_server import charge, event, intent, page

SEEN_AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


def stripe(random: Random) -> None:
    """Valid answers of Stripe, bent, and their raw bytes changed."""
    translator = Translator("default", livemode=None, metadata_keys=None)
    whole = intent(latest_charge=charge(), metadata={"order_id": "R-1"})
    parse: Callable[[HttpAnswer], object]
    value, parse = random.choice(
        (
            (
                whole,
                lambda answer: parsing.parse_intent(
                    answer, SEEN_AT, intent_id="pi_1", translator=translator
                ),
            ),
            (
                page([whole, whole]),
                lambda answer: parsing.parse_intent_page(
                    answer, SEEN_AT, after=None, translator=translator
                ),
            ),
            (
                page([event()]),
                lambda answer: parsing.parse_event_page(
                    answer, SEEN_AT, after=None, translator=translator
                ),
            ),
            (page([charge()]), lambda answer: parsing.parse_charge_page(answer, None, translator)),
            (
                page([whole]),
                lambda answer: parsing.parse_search_page(answer, None, "order_id", translator),
            ),
            (page([whole]), parsing.parse_heads),
        )
    )
    body = bent(value, random, random.randint(1, 4))
    with contextlib.suppress(ReconcilerError, AttemptError):
        parse(HttpAnswer(200, {}, body))


def ledger(random: Random) -> None:
    """Entries of a ledger that a person with every right has changed: each is whole, or the first break."""
    body = {"payment_intent": "pi_1", "amount": 1250, "lines": [1, {"a": None}], "note": "é"}
    entries = []
    for number in range(random.randint(1, 4)):
        text = bent(body, random, random.randrange(3)).decode("utf-8", "replace")
        at = random.choice(
            (
                "2026-03-01T12:00:00",
                "infinity",
                "-infinity",
                "0001-01-01T00:00:00",
                "294276-12-31T00:00:00",
                "",
                "2026-13-01",
            )
        )
        with contextlib.suppress(UnreadableEntryError):
            entries.append(
                read_entry(
                    "default",
                    number,
                    at,
                    "note",
                    text,
                    GENESIS,
                    "0" * 64,
                    random.choice((None, "daemon", "")),
                )
            )
    head = random.choice((None, (1, GENESIS), (len(entries), "0" * 64)))
    if first_break(iter(_any_order(entries, random)), head, "default") is None and entries:
        raise AssertionError(json.dumps([entry.body for entry in entries]))


def _any_order(entries: list[Entry], random: Random) -> list[Entry]:
    return random.sample(entries, len(entries))


TARGETS: Final[Mapping[str, Target]] = {
    "config": configuration_files,
    "environment": environments,
    "cli": command_lines,
    "cli-processes": command_processes,
    "stripe": plain(stripe),
    "rows": merchant_rows,
    "ledger": plain(ledger),
    "metrics": metrics_port,
    "delivery": delivery_answers,
}
