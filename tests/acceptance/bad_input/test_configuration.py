"""Configurations and arguments that do not fit: named, with the mend, before anything is asked or written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.world import World

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a key that is not known": ({"payments": {"statsu": "status"}}, "payments.statsu"),
    "a section that is not known": ({"paymets": {"table": "x"}}, "paymets"),
    "no table": ({"payments": {"table": None}}, "payments.table"),
    "no status": ({"payments": {"status": None}}, "payments.status"),
    "no read": ({"payments": {"read": None}}, "payments.read"),
    "no outcome": ({"payments": {"read": {"pending": "waiting"}}}, "payments.read.pending"),
    "never written": ({"payments": {"write": {"refunded": "refunded"}}}, "refunded"),
    "both currencies": ({"payments": {"currency_constant": "eur"}}, "currency_constant"),
    "no currency": ({"payments": {"currency": None}}, "currency"),
    "a currency that is none": (
        {"payments": {"currency": None, "currency_constant": "euro"}},
        "currency_constant",
    ),
    "links without order": (
        {"payments": {"order": None, "link_metadata": "order_id"}},
        "link_metadata",
    ),
    "a unit that is none": ({"payments": {"amount_unit": "cents"}}, "amount_unit"),
    "grace without unit": ({"corrections": {"grace": 120}}, "corrections.grace"),
    "a negative limit": ({"corrections": {"per_hour": -1}}, "corrections.per_hour"),
    "a mode that is none": ({"corrections": {"mode": "updaet"}}, "corrections.mode"),
    "a share above one": ({"budget": {"share": 1.5}}, "budget.share"),
    "no share": ({"budget": {"share": 0}}, "budget.share"),
    "no horizon": ({"sweep": {"horizon": "0"}}, "sweep.horizon"),
    "an address that is none": ({"stripe": {"api_base": "stripe"}}, "stripe.api_base"),
    "a key in the file": ({"stripe": {"key": "sk_live_abcdefgh12345678"}}, "STRIPE_API_KEY"),
    "accounts without a column": (
        {"accounts": [{"name": "one"}, {"name": "two"}]},
        "payments.account",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_configuration_that_does_not_hold_together(world: World, name: str) -> None:
    """Exit 78, the key by its full name, and neither Stripe nor the database is asked."""
    change, named = CHANGES[name]
    world.configure(**change)
    answer = world.run("sweep", "--apply", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert answer.code == 78
    assert named in answer.err
    assert "127.0.0.1:9" not in answer.err
    assert "sk_live_abcd" not in answer.err
    assert answer.out == ""
    assert world.stripe.requests.reads == 0


def test_every_fault_at_once(world: World) -> None:
    """Three faults are told in one go."""
    world.configure(payments={"statsu": "x", "amount_unit": "cents"}, corrections={"grace": "soon"})
    answer = world.run("sweep")
    assert answer.code == 78
    for named in ("payments.statsu", "payments.amount_unit", "corrections.grace"):
        assert named in answer.err


@pytest.mark.parametrize(
    ("text", "says"), [("[payments\n", "TOML"), ("\x00", "TOML"), ("", "payments")]
)
def test_a_file_that_is_none(world: World, text: str, says: str) -> None:
    """A file that cannot be read as TOML, or says nothing: exit 78."""
    world.config.write_text(text, encoding="utf-8")
    answer = world.run("sweep")
    assert answer.code == 78
    assert says in answer.err


MAPPINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a table that is not there": ({"table": "public.paymets"}, "public.payments"),
    "a schema that is not there": ({"table": "shop.payments"}, "shop.payments"),
    "a column that is not there": ({"status": "state"}, "state"),
    "a status that is a time": ({"status": "created_at"}, "created_at"),
    "an amount that is a text": ({"amount": "status"}, "status"),
    "a time that is a text": ({"created": "status"}, "status"),
    "a time with a unit it has not": ({"created_unit": "ms"}, "created"),
    "a value that reads as something else": ({"write": {"succeeded": "pending"}}, "succeeded"),
    "a value that does not read": ({"write": {"succeeded": "shipped"}}, "shipped"),
    "quotes around a name": ({"key": '"id"'}, "payments.key"),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_mapping_that_does_not_fit(world: World, name: str) -> None:
    """Compared with the real table before Stripe is asked: exit 78, the column, and the report where a sweep began."""
    change, named = MAPPINGS[name]
    world.pay(1)
    world.configure(payments=change)
    before = world.dump()
    answer = world.run("sweep", "--apply")
    assert answer.code == 78
    assert named in answer.err
    assert world.dump() == before
    assert world.stripe.requests.reads == 0
    assert world.run("doctor").code == 78


ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "a charge's id": (["sweep", "--payment-intent", "ch_3Nabc"], "charge"),
    "an id of nothing": (["sweep", "--payment-intent", "hello"], "pi_"),
    "a client secret": (["sweep", "--payment-intent", "pi_1_secret_abcdef"], "client_secret"),
    "a key for an id": (["explain", "sk_live_abcdefgh12345678"], "key"),
    "a charge to explain": (["explain", "ch_3Nabc"], "charge"),
    "since after until": (["sweep", "--since", "2026-03-02", "--until", "2026-03-01"], "--since"),
    "spans the wrong way": (["sweep", "--since", "1d", "--until", "2d"], "--since"),
    "a moment that is none": (["sweep", "--since", "yesterday"], "--since"),
    "a day that is none": (["sweep", "--until", "2026-02-30"], "--until"),
    "both ways to choose": (["sweep", "--since", "1d", "--payment-intent", "pi_1"], "--since"),
    "a kind that is none": (["sweep", "--kind", "everything"], "--kind"),
    "an account that is none": (["sweep", "--account", "nobody"], "nobody"),
    "formats that contradict": (["sweep", "--json", "--format", "csv"], "--json"),
    "a command that is none": (["swep"], "swep"),
    "an option that is none": (["sweep", "--aply"], "--aply"),
    "a sweep that is none": (["revert", "zero"], "SWEEP"),
    "a sweep that corrected nothing": (["revert", "99"], "99"),
    "a discrepancy that is none": (["resolve", "99", "--note", "x"], "99"),
    "a note that is empty": (["resolve", "1", "--note", " "], "--note"),
    "an export without a folder": (["export", "--format", "csv"], "--output"),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_that_do_not_fit(world: World, name: str) -> None:
    """Exit 64, the argument by its name, nothing on standard output, nothing asked of Stripe, nothing written."""
    arguments, named = ARGUMENTS[name]
    world.pay(1)
    before = world.dump()
    answer = world.run(*arguments)
    assert answer.code == 64
    assert named in answer.err
    assert answer.out == ""
    assert world.dump() == before
    assert "abcdef" not in answer.err


def test_the_exit_codes_are_the_process_s(world: World) -> None:
    """What a shell sees, from a process of its own: 0, 64, 75 and 78, the report on standard output each time."""
    intent = world.pay(1)
    assert world.start("sweep", "--payment-intent", "ch_1").code == 64
    dry = world.start("sweep", "--json", "--payment-intent", intent)
    assert (dry.code, dry.json["would_correct"], dry.err) == (0, 1, "")
    down = world.start("sweep", "--json", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert (down.code, down.json["complete"]) == (75, False)
    wrong = world.start("sweep", "--json", STRIPE_API_KEY="rk_test_unknown00000001")
    assert (wrong.code, wrong.json["complete"]) == (78, False)
