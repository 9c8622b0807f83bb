"""What is fuzzed: each target takes a random generator, makes one input, and raises if it is not answered as it must be.

An input that is wrong must be refused by one of Reconciler's own errors, with its exit code, and never by another exception.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from unittest.mock import patch

import typer.main
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from reconciler.adapters.stripe_gateway import parsing
from reconciler.adapters.stripe_gateway.translation import Translator
from reconciler.adapters.stripe_gateway.transport import AttemptError, HttpAnswer
from reconciler.domain.audit.hash_chain import GENESIS, first_break
from reconciler.domain.audit.ledger_entry import Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError, read_entry
from reconciler.entrypoints.cli.app import app, run
from reconciler.errors import ReconcilerError
from tests.fuzz.bending import bent
from tests.unit.gateway.canned_server import charge, event, intent, page
from tests.unit.settings.test_random_configurations import (
    ENVIRONMENTS,
    ODD_TEXTS,
    configurations,
    outcome,
)

Target = Callable[[Random], None]
EXIT_CODES: Final = {0, 1, 64, 75, 78}
BATCH: Final = 100
SEEN_AT: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_RUN: Final = {"demo", "run", "sandbox", "web", "systemd"}
"""Commands that start servers or write files."""
NOWHERE: Final = {
    "DATABASE_URL": "postgresql://127.0.0.1:9/shop?connect_timeout=1",
    "STRIPE_API_KEY": "rk_test_fuzz",
    "RECONCILER_CONFIG": "/nonexistent/reconciler.toml",
}


def _examples(
    strategy: st.SearchStrategy[Any], random: Random, check: Callable[[Any], None]
) -> None:
    """Check a batch of examples of a strategy."""

    @seed(random.getrandbits(32))
    @settings(
        max_examples=BATCH,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def test(example: Any) -> None:
        check(example)

    test()


def config(random: Random) -> None:
    """Configuration files: used, or refused with every fault."""
    _examples(
        configurations(), random, lambda text: outcome(text.encode("utf-8", "surrogatepass"), {})
    )


def environment(random: Random) -> None:
    """Environments beside a valid file."""
    _examples(st.tuples(configurations(), ENVIRONMENTS), random, _outcome_of)


def _outcome_of(example: tuple[str, Mapping[str, str]]) -> None:
    outcome(example[0].encode("utf-8", "surrogatepass"), example[1])


def cli(random: Random) -> None:
    """Command lines of real commands and options with odd values: an exit code of the documented ones, no traceback."""
    program = typer.main.get_command(app)
    commands: Mapping[str, Any] = program.commands  # type: ignore[attr-defined]
    name = random.choice(sorted(commands.keys() - NOT_RUN))
    options = [option for each in commands[name].params for option in each.opts if option[0] == "-"]
    words = [name]
    for _ in range(random.randrange(5)):
        if options and random.random() < 0.7:
            words.append(random.choice(options))
        if random.random() < 0.7:
            words.append(
                random.choice((*ODD_TEXTS, "1", "2026-10", "pi_1", "-1", "json", "csv", "9" * 40))
            )
    if random.random() < 0.1:
        words.insert(0, random.choice(("--config", "--log-level", "--version", "-x")))
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch("sys.stdin", io.StringIO()),
    ):
        code = run(words, NOWHERE)
    if code not in EXIT_CODES or "Traceback" in err.getvalue():
        raise AssertionError(f"{words}: exit code {code}\n{err.getvalue()}")


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


TARGETS: Final[Mapping[str, tuple[Target, int]]] = {
    "config": (config, BATCH),
    "environment": (environment, BATCH),
    "cli": (cli, 1),
    "stripe": (stripe, 1),
    "ledger": (ledger, 1),
}
"""Each target, and how many inputs one call makes."""
